"""Figures, bars, tables and pictures say what was measured, no more and no less."""

import xml.etree.ElementTree as ElementTree

import pytest

from vagus.testing.benchmark.lane import interleaved
from vagus.testing.benchmark.result.bar import BARS, Bar, judged, verdict
from vagus.testing.benchmark.result.figure import Spread, percentile, short, spread
from vagus.testing.benchmark.result.plot import drawing
from vagus.testing.benchmark.result.report import Findings, Report, Row, Verdict
from vagus.testing.benchmark.result.rows import growth
from vagus.testing.benchmark.result.table import WIDTH, closing_line, fact_lines, finding_lines
from vagus.testing.benchmark.workloads.catalogue import WORKLOADS


def at(median: float) -> Spread:
    return Spread(median, median * 0.9, median * 1.1)


# --- statistics ----------------------------------------------------------------------------------------------------


def test_spread_is_the_median_and_both_ends() -> None:
    assert spread([3.0, 9.0, 1.0]) == Spread(3.0, 1.0, 9.0)


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.95, 95), (0.99, 99), (1.0, 100), (0.0, 1)])
def test_percentile_is_a_sample_that_so_many_do_not_exceed(share: float, expected: int) -> None:
    assert percentile(range(100, 0, -1), share) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0"),
        (0.0123, "0.0123"),
        (0.5, "0.5"),
        (9.306, "9.31"),
        (61.25, "61.2"),
        (999.6, "1k"),
        (61_249, "61.2k"),
        (999_900, "1M"),
        (1_054_000, "1.05M"),
        (110_000, "110k"),
        (-0.5, "-0.5"),
    ],
)
def test_figure_is_shown_in_three_digits(value: float, expected: str) -> None:
    assert short(value) == expected


def test_lanes_take_turns_and_the_warm_up_does_not_count() -> None:
    calls: list[str] = []

    def lane(name: str) -> dict[str, float]:
        calls.append(name)
        return {"n": float(len(calls))}

    found = interleaved({"a": lambda: lane("a"), "b": lambda: lane("b")}, 2, lambda name: None)

    assert calls == ["a", "b"] * 3
    assert found == {"n": {"a": Spread(4.0, 3.0, 5.0), "b": Spread(5.0, 4.0, 6.0)}}


def test_growth_is_the_largest_in_units_of_the_smallest() -> None:
    row = growth("times", {"1": at(4.0), "4": at(9.0), "64": at(5.0)}, "1", "64")

    assert row.lanes["vagus"].median == 1.25


# --- bars ----------------------------------------------------------------------------------------------------------


def test_share_of_raw_is_held_to_its_bar() -> None:
    found = verdict(Bar(value=0.7, of="raw"), {"vagus": at(35_000), "raw": at(100_000)}, "/s", 0.0)

    assert found == Verdict("0.35 of raw, at least 0.7", False, pytest.approx(-0.5))


def test_absolute_bar_is_scaled_by_the_bare_lane() -> None:
    lanes = {"vagus": at(60_000), "bare": at(100_000)}

    found = verdict(Bar(value=100_000, bare=200_000), lanes, "/s", 0.0)

    assert found == Verdict("60k/s, at least 50k/s (100k x bare 0.50)", True, pytest.approx(0.2))


@pytest.mark.parametrize(("commit_ms", "met"), [(0.2, False), (2.0, True)])
def test_limit_in_milliseconds_rises_with_the_commits_of_a_slow_disk(commit_ms: float, met: bool) -> None:
    found = verdict(Bar(value=2.0, sense="at most", commits=3), {"vagus": at(5.0)}, "ms", commit_ms)

    assert found is not None
    assert found.met is met


def test_bar_of_zero_is_missed_by_anything_above() -> None:
    bar = Bar(value=0, sense="at most")

    assert verdict(bar, {"vagus": at(0.0)}, "", 0.0) == Verdict("0, at most 0", True, 0.0)
    assert verdict(bar, {"vagus": at(3.0)}, "", 0.0) == Verdict("3, at most 0", False, -1.0)


@pytest.mark.parametrize("bar", [Bar(value=0.7, of="raw"), Bar(value=100, bare=50)])
def test_bar_whose_lane_is_missing_is_left_out(bar: Bar) -> None:
    assert verdict(bar, {"vagus": at(1.0)}, "/s", 0.0) is None


def test_every_bar_belongs_to_a_workload() -> None:
    assert {workload for workload, _, _ in BARS} <= set(WORKLOADS)


def test_row_without_a_bar_has_no_verdict() -> None:
    assert judged("W2", "sqlite", Row("p95", "ms", {"vagus": at(1.0)}), 0.2).verdicts == ()


# --- what is shown -------------------------------------------------------------------------------------------------

ROWS = (
    Row(
        "500 at once, keyed, timeout",
        "/s",
        {"vagus": at(61_234), "raw": at(110_000), "bare": at(323_456)},
        (Verdict("0.557 of raw, at least 0.7", False, -0.204), Verdict("61.2k/s, at least 40k/s", True, 0.53)),
    ),
    Row("p99 & more", "us", {"vagus": Spread(3.0, 3.0, 3.0)}),
)
FINDINGS = Findings("W1", "publish and handle", "sqlite", ROWS, ("What a reader must know. " * 8,))


def test_table_shows_every_lane_and_verdict_in_80_columns() -> None:
    lines = list(finding_lines(FINDINGS))

    assert max(map(len, lines)) <= WIDTH
    assert lines[:6] == [
        "W1  publish and handle  [sqlite]",
        "                                    vagus  least - most        raw    bare",
        "  500 at once, keyed, timeout     61.2k/s  55.1k - 67.4k      110k    323k",
        "      MISSED by 20%: 0.557 of raw, at least 0.7",
        "      met by 53%: 61.2k/s, at least 40k/s",
        "  p99 & more                         3 µs                        -       -",
    ]


def test_facts_are_wrapped_at_80_columns() -> None:
    lines = list(fact_lines({"python": "CPython 3.11.7", "packages": "a package and its version, " * 8}))

    assert lines[0] == "python           CPython 3.11.7"
    assert max(map(len, lines)) <= WIDTH


@pytest.mark.parametrize(
    ("findings", "expected"),
    [([FINDINGS], "1 of 2 bars met, 1 missed"), ([], "no figure here has a bar")],
)
def test_last_line_counts_the_bars(findings: list[Findings], expected: str) -> None:
    assert closing_line(findings) == expected


def test_report_counts_what_was_missed() -> None:
    assert Report({}, (FINDINGS, FINDINGS)).missed == 2


def test_picture_is_a_whole_svg_document_without_the_bare_lane() -> None:
    picture = ElementTree.fromstring(drawing(Report({}, (FINDINGS, Findings("W5", "left out", "", ())))))

    texts = [element.text for element in picture.iter() if element.tag.endswith("text")]
    assert texts == [
        "W1 publish and handle, sqlite",
        "500 at once, keyed, timeout",
        "vagus 61.2k/s",
        "raw 110k/s",
        "p99 & more",
        "vagus 3 µs",
    ]

"""A backend that comes in a package of its own is found, and held to the same suite."""

from pathlib import Path

import pytest

from vagus.errors import InvalidArgument
from vagus.registry import create_backend, schemes
from vagus.testing import Subject, conformance, find_subject


@pytest.mark.requirement("R18")
async def test_installed_package_adds_its_scheme(installed: Path) -> None:
    backend = create_backend("third://somewhere")
    can = await backend.open()
    await backend.close()
    assert can.system == "third"
    assert "third" in schemes()


def test_scheme_of_no_package_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidArgument, match="no backend for") as refused:
        create_backend("third://somewhere")
    assert "memory://" in refused.value.hint


def test_file_without_a_scheme_is_refused_with_its_url() -> None:
    with pytest.raises(InvalidArgument, match=r"no backend for 'shop\.db'") as refused:
        create_backend("shop.db")
    assert refused.value.hint.startswith("a file is sqlite:///shop.db;")


@pytest.mark.requirement("R18")
@pytest.mark.requirement("R10")
def test_third_party_backend_passes_the_whole_suite(installed: Path) -> None:
    said: list[str] = []
    summary = conformance.run("third://", show=said.append)
    assert [verdict for verdict in summary.verdicts if verdict.status == "broken"] == []
    assert summary.counts["held"] > 250
    assert said[-1].startswith("third://: ")


def test_subject_comes_by_entry_point_too(installed: Path) -> None:
    assert find_subject("third://x").lease_s == 0.2


@pytest.mark.requirement("R18")
def test_backend_without_a_subject_is_checked_but_not_witnessed(installed: Path) -> None:
    plain = Subject(url=lambda: "third://plain")
    summary = conformance.run("third://plain", only="witness or three_days or acked_event", show=None, subject=plain)
    assert summary.ok
    assert {verdict.why for verdict in summary.of("not witnessed")} == {
        "its subject has no raw hooks",
        "its clock cannot be turned",
    }
    assert summary.counts["held"] >= 1

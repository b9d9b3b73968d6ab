"""The judge of switched runs: it finds nothing in a sound run, and each fault that is planted."""

from __future__ import annotations

import pytest

from tests.dispatch.judge import Epoch, Handled, Life, Published, judge

EPOCHS = [Epoch(1, "once", "", 0), Epoch(2, "all", "", 10), Epoch(3, "once", "by_label('lang')", 20)]
LIVES = {"A": Life(0.0, None, "zh"), "B": Life(0.0, None, "en"), "C": Life(0.0, 6.0, "zh"), "D": Life(9.0, None, "zh")}
PUBLISHED = [Published(1, 5, "zh", 1.0, 1.1), Published(2, 15, "zh", 2.0, 2.1), Published(3, 25, "zh", 3.0, 3.1)]
SOUND = [
    Handled(1, "B", 1, 1.2),
    Handled(2, "A", 2, 2.2),
    Handled(2, "B", 2, 2.2),
    Handled(2, "D", 2, 9.2),
    Handled(3, "C", 3, 3.2),
    Handled(3, "A", 3, 7.2),
]


def test_sound_run_is_found_sound() -> None:
    assert judge(PUBLISHED, SOUND, EPOCHS, LIVES) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ((0, None), "handled by nobody"),
        ((1, None), "was not handled by A"),
        ((0, Handled(1, "B", 2, 1.2)), "is of epoch 1, B had it in 2"),
        ((3, Handled(1, "A", 1, 1.3)), r"\(once\) was handled by B, A"),
        ((3, Handled(2, "B", 2, 2.3)), r"\(all\) was handled 2 times by B"),
        ((5, Handled(3, "B", 3, 7.2)), "is for zh, B had it"),
        ((3, Handled(9, "B", 3, 7.2)), "9 was never published"),
    ],
)
def test_planted_fault_is_found(change: tuple[int, Handled | None], said: str) -> None:
    at, instead = change
    handled = [*SOUND[:at], *([] if instead is None else [instead]), *SOUND[at + 1 :]]

    found = judge(PUBLISHED, handled, EPOCHS, LIVES)

    with pytest.raises(AssertionError, match=said):
        raise AssertionError("; ".join(found))

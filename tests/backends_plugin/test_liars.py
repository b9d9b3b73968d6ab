"""A backend that lies is caught by a scenario whose name says what about."""

from pathlib import Path

import pytest

from tests.backends_plugin.conftest import liars
from vagus.testing import conformance

CAUGHT_BY = {
    "claimsdurable": "claim of durable holds",
    "claimsshared": "claim of shared holds",
    "deniesdelay": "claim of delay holds",
    "deniesfenced": "claim of fenced holds",
    "deniesdedupe": "claim of dedupe holds",
    "deniesatomic": "claim of atomic holds",
    "deniesexactfigures": "claim of exact figures holds",
    "unfenced": "late ack of the old holder is refused",
    "doubling": "same dedupe twice is stored once",
    "notatomic": "refused put never lets go of its cause",
    "losesputs": "each event goes to one of three members",
    "ignoreskeys": "events of a key come one at a time",
    "freeskeysearly": "key waits while its event is retried",
    "earlyretries": "released event is never early and soon after",
    "forgetsnotes": "note comes back with the next delivery",
    "ignoreslanes": "higher lanes come first",
    "ignoresbounds": "full topic refuses the next put",
    "rewritesevents": "dead letter is kept byte for byte",
    "cooksthebooks": "books follow an event from put to ack",
    "polls": "put wakes a waiting take",
    "forgetsgenerations": "each replay raises the generation",
    "ignorescredit": "member never holds more than its credit",
}


@pytest.mark.requirement("R18")
@pytest.mark.requirement("R10")
@pytest.mark.parametrize("scheme", CAUGHT_BY)
def test_lie_is_caught_by_the_scenario_about_it(installed: Path, scheme: str) -> None:
    sentence = CAUGHT_BY[scheme]
    summary = conformance.run(f"{scheme}://", only="test_" + sentence.replace(" ", "_"), show=None)
    assert [(verdict.sentence, verdict.status) for verdict in summary.verdicts] == [(sentence, "broken")]
    assert summary.verdicts[0].why


def test_every_liar_is_tried() -> None:
    assert set(CAUGHT_BY) == set(liars())

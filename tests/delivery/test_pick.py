"""The picks: who is chosen, in which order, and what becomes of an event that nobody can have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from tests.delivery.team import chosen, event, team
from vagus.backend import Delivery
from vagus.delivery.pick import NO_CREDIT, UNMATCHED, Candidate, Failed, Given, PickEvent, Team, decide
from vagus.delivery.picks.lot import _REMEMBERED, ByKey, Random
from vagus.delivery.picks.match import ByContent, ByLabel, When, checked_labels
from vagus.delivery.picks.text import Custom
from vagus.delivery.picks.turn import LeastBusy, RoundRobin, Weighted
from vagus.errors import InvalidArgument, UndecodableEvent
from vagus.message import Envelope


def full(members: Team, *names: str) -> Team:
    """Take the credit of these members."""
    for name in names:
        members.by_name[name].outstanding = members.by_name[name].credit
    return members


# --- in turn ---------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R5")
def test_round_robin_goes_through_the_members_in_turn() -> None:
    assert chosen(RoundRobin(), team("C", "A", "B"), 7) == "ABCABCA"


@pytest.mark.requirement("R5")
def test_round_robin_goes_on_behind_a_member_that_came_or_went() -> None:
    pick = RoundRobin()
    assert chosen(pick, team("A", "B", "C"), 2) == "AB"
    assert chosen(pick, team("A", "C", "D"), 3) == "CDA"
    assert chosen(pick, team("AA", "B"), 2) == "AAB"


@pytest.mark.requirement("R5")
def test_round_robin_passes_over_who_has_no_credit() -> None:
    pick = RoundRobin()
    assert chosen(pick, full(team("A", "B", "C"), "B"), 4) == "ACAC"
    assert chosen(pick, full(team("A", "B", "C"), "A", "B", "C"), 2) == "AA"
    assert chosen(pick, team("A", "B", "C"), 2) == "AB"


@pytest.mark.requirement("R5")
def test_round_robin_goes_on_where_another_dispatcher_stopped() -> None:
    first, second = RoundRobin(), RoundRobin()
    chosen(first, team("A", "B", "C"), 2)
    second.recall(first.mark)
    assert chosen(second, team("A", "B", "C"), 2) == "CA"


def test_weighted_gives_each_its_share_well_mixed() -> None:
    members = Team([Candidate("A", weight=3), Candidate("B")])
    assert chosen(Weighted(), members, 8) == "AABAAABA"


def test_weighted_shares_among_those_with_credit_and_those_that_stay() -> None:
    pick = Weighted()
    pick.recall("")
    assert chosen(pick, full(Team([Candidate("A", weight=9), Candidate("B")]), "A"), 3) == "BBB"
    assert chosen(pick, full(team("A", "B"), "A", "B"), 1) == "A"
    assert Counter(chosen(pick, team("B", "C"), 10)) == {"B": 5, "C": 5}


def test_least_busy_gets_the_next_and_ties_go_in_turn() -> None:
    members = team("A", "B", "C")
    members.by_name["A"].outstanding = 2
    pick = LeastBusy()
    pick.recall("")
    assert chosen(pick, members, 4) == "BCBC"
    members.by_name["B"].outstanding = members.by_name["C"].outstanding = 3
    assert chosen(pick, members, 2) == "AA"


def test_least_busy_counts_by_weight_and_passes_over_the_full() -> None:
    members = Team([Candidate("A", weight=4, outstanding=4), Candidate("B", outstanding=2), Candidate("C", credit=0)])
    assert chosen(LeastBusy(), members, 1) == "A"
    assert chosen(LeastBusy(), full(members, "A", "B"), 1) == "C"


# --- by lot ----------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R6")
def test_same_seed_draws_the_same_members_again() -> None:
    members = team("A", "B", "C")
    assert chosen(Random(7), members, 300) == chosen(Random(7), members, 300)
    assert chosen(Random(7), members, 300) != chosen(Random(8), members, 300)


@pytest.mark.requirement("R6")
def test_lots_fall_evenly_on_all_members() -> None:
    counts = Counter(chosen(Random(1), team("A", "B", "C"), 3_000))
    chi_square = sum((count - 1_000) ** 2 / 1_000 for count in counts.values())
    assert len(counts) == 3
    assert chi_square < 13.8  # two degrees of freedom: exceeded once in a thousand seeds


@pytest.mark.requirement("R6")
def test_lot_of_a_full_member_goes_to_another_and_changes_no_later_one() -> None:
    plain = chosen(Random(7), team("A", "B", "C"), 40)
    pick = Random(7)
    diverted = chosen(pick, full(team("A", "B", "C"), "B"), 20) + chosen(pick, team("A", "B", "C"), 20)
    assert [a for a, b in zip(plain, diverted, strict=True) if a != b] == ["B"] * plain[:20].count("B")
    assert len(chosen(pick, full(team("A", "B"), "A", "B"), 1)) == 1


@pytest.mark.requirement("R6")
def test_lots_go_on_where_another_dispatcher_stopped() -> None:
    whole = chosen(Random(7), team("A", "B", "C"), 20)
    first = Random()
    first.seeded(7)
    half = chosen(first, team("A", "B", "C"), 10)
    second = Random()
    second.seeded(99)
    second.recall("nonsense")
    second.recall(first.mark)
    assert half + chosen(second, team("A", "B", "C"), 10) == whole
    named = Random(7)
    named.seeded(5)
    named.recall("10 5")
    assert chosen(named, team("A", "B", "C"), 10) == whole[10:]


@pytest.mark.parametrize("seed", ["7", 1.5, True])
def test_seed_that_is_no_whole_number_is_refused(seed: Any) -> None:
    with pytest.raises(InvalidArgument, match="expected a whole number"):
        Random(seed)


# --- by key ----------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R20")
def test_events_of_one_key_go_to_one_member_and_keys_spread() -> None:
    pick, members = ByKey(), team("A", "B", "C")
    homes = {key: chosen(pick, members, 3, key=key) for key in map(str, range(300))}
    assert all(len(set(home)) == 1 for home in homes.values())
    assert all(count > 60 for count in Counter(home[0] for home in homes.values()).values())
    assert chosen(ByKey(), members, 1, key="7") == homes["7"][0]


@pytest.mark.requirement("R20")
def test_only_keys_of_a_member_that_went_move() -> None:
    pick = ByKey()
    before = {key: chosen(pick, team("A", "B", "C"), 1, key=key) for key in map(str, range(200))}
    after = {key: chosen(pick, team("A", "C"), 1, key=key) for key in before}
    assert all(after[key] == home for key, home in before.items() if home != "B")
    pick.recall("")


@pytest.mark.requirement("R20")
def test_sticky_key_waits_for_its_member_and_no_key_goes_in_turn() -> None:
    pick, members = ByKey(), team("A", "B")
    home = chosen(pick, members, 1, key="k")
    assert chosen(pick, full(members, home), 1, key="k") == home
    assert chosen(pick, team("A", "B"), 4) == "ABAB"


@pytest.mark.requirement("R20")
def test_field_can_be_the_key_and_what_is_remembered_is_bounded() -> None:
    pick, members = ByKey("data.session"), team("A", "B", "C")
    first = chosen(pick, members, 1, data={"session": 7})
    for number in range(_REMEMBERED + 1):
        pick.choose(event(data={"session": f"s{number}"}), members.members)
    assert len(pick._known) < _REMEMBERED
    assert chosen(pick, members, 2, data={"session": 7}) == first * 2


# --- by what members say ---------------------------------------------------------------------------------------------


LABELLED = [Candidate("A", {"lang": "zh"}), Candidate("B", {"lang": "en"}), Candidate("C", {"lang": "zh"})]


@pytest.mark.requirement("R20")
def test_label_that_fits_gets_the_event_and_others_never() -> None:
    pick, members = ByLabel("lang"), Team(LABELLED)
    pick.recall("")
    assert chosen(pick, members, 3, data={"lang": "zh"}) == "ACA"
    assert chosen(pick, members, 2, data={"lang": "en"}) == "BB"
    assert chosen(pick, Team(LABELLED[:2]), 2, data={"lang": "zh"}) == "AA"


@pytest.mark.requirement("R20")
@pytest.mark.parametrize("data", [{"lang": "fr"}, {"lang": None}, {"lang": ["zh"]}, {"lang": ""}, {}, None])
def test_event_that_no_label_fits_is_for_nobody(data: Any) -> None:
    assert ByLabel("lang").choose(event(data=data), Team(LABELLED).members) is None


@pytest.mark.requirement("R20")
@pytest.mark.parametrize(
    ("field", "value", "labels"),
    [("data.tier", 3, {"tier": 3}), ("data.vip", True, {"tier": True}), ("data.x", 1.5, {"tier": "1.5"})],
)
def test_label_may_be_named_by_another_field(field: str, value: Any, labels: Any) -> None:
    members = Team([Candidate("A"), Candidate("B", checked_labels(labels))])
    data = {field.removeprefix("data."): value}
    assert chosen(ByLabel("tier", field=field, then="least_busy"), members, 1, data=data) == "B"


@pytest.mark.requirement("R20")
def test_content_decides_which_labels_a_member_must_have() -> None:
    zh = When("data.lang == 'zh'", lang="zh")
    zh.recall("")
    assert chosen(zh, Team(LABELLED), 3, data={"lang": "zh"}) == "ACA"
    assert chosen(zh, Team(LABELLED), 3, data={"lang": "fr"}) == "ABC"
    assert zh.choose(event(data={"lang": "zh"}), Team(LABELLED[1:2]).members) is None


@pytest.mark.requirement("R20")
def test_first_condition_that_is_met_counts() -> None:
    rules = ByContent([When("data.lang == 'zh'", lang="zh", then="weighted"), When("data.score > 1", lang="en")])
    rules.recall("")
    assert chosen(rules, Team(LABELLED), 2, data={"lang": "zh", "score": 2}) == "AC"
    assert chosen(rules, Team(LABELLED), 2, data={"lang": "fr", "score": 2}) == "BB"
    assert chosen(rules, Team(LABELLED), 3, data={}) == "ABC"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: ByLabel("two words"), "name of a label"),
        (lambda: ByLabel("lang", then="random"), "then: expected one of round_robin, weighted, least_busy"),
        (lambda: ByLabel("lang", field="data."), "at column"),
        (lambda: When("data.lang == 'zh'"), "labels that members must have"),
        (lambda: When("data.lang = 'zh'", lang="zh"), "at column"),
        (lambda: ByContent([]), "one When"),
        (lambda: checked_labels({"a b": "x"}), "expected a name of letters"),
        (lambda: checked_labels({"a": None}), "expected a name of letters"),
    ],
)
def test_demand_that_makes_no_sense_is_refused(make: Any, said: str) -> None:
    with pytest.raises(InvalidArgument, match=said):
        make()


# --- the user's own, and what becomes of the event -------------------------------------------------------------------


class OnlyB:
    def apply(self, message: PickEvent) -> Candidate | None:
        return next((member for member in message.members if member.name == "B"), None)


class Named:
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def choose(self, event: PickEvent, members: Sequence[Candidate]) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.requirement("R12", "R13")
def test_plain_class_with_apply_alone_is_obeyed() -> None:
    pick, members = Custom("shop:OnlyB", OnlyB()), team("A", "B", "C")
    pick.recall("")
    assert [decide(pick, event(), members) for _ in range(300)] == [Given(members.by_name["B"])] * 300
    assert decide(pick, event(), team("A")) == UNMATCHED


@pytest.mark.requirement("R13")
def test_answer_may_be_a_name_and_a_full_member_makes_it_wait() -> None:
    members = team("A", "B")
    assert decide(Custom("x", Named("B")), event(), members) == Given(members.by_name["B"])
    assert decide(Custom("x", Named("B")), event(), full(members, "B")) == NO_CREDIT
    assert decide(RoundRobin(), event(), Team([])) == UNMATCHED


@pytest.mark.requirement("R13")
@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (ValueError("no idea"), r"pick mine failed on an event of topic 'query': ValueError: no idea"),
        (7, r"pick mine answered 7: expected one of event.members, a name of theirs \(A, B\), or None"),
        ("C", "answered 'C'"),
        (True, "answered True"),
        (Candidate("C"), "answered Candidate"),
    ],
)
def test_pick_that_fails_is_named_and_says_what_was_expected(answer: Any, said: str) -> None:
    found = decide(Custom("mine", Named(answer)), event(), team("A", "B"))
    assert isinstance(found, Failed)
    with pytest.raises(type(found.error), match=said):
        raise found.error


@pytest.mark.contract("G19")
def test_event_that_nobody_can_read_goes_to_who_is_least_busy() -> None:
    def unreadable(delivery: Delivery) -> Any:
        raise UndecodableEvent("bytes")

    def broken() -> PickEvent:
        return PickEvent(Delivery("q", Envelope(b""), 1, 1), unreadable, "q")

    members = team("A", "B")
    members.by_name["A"].outstanding = 1
    assert decide(ByLabel("lang"), broken(), members) == Given(members.by_name["B"])
    assert decide(ByLabel("lang"), broken(), full(members, "A", "B")) == NO_CREDIT


def test_event_is_decoded_once_and_only_when_something_asks() -> None:
    asked: list[Delivery] = []
    made = event().event

    def read(delivery: Delivery) -> Any:
        asked.append(delivery)
        return made

    seen = PickEvent(Delivery("q", Envelope(b"{}"), 1, 1, "k"), read, "q")
    assert (seen.key, seen.topic, len(asked)) == ("k", "q", 0)
    assert (seen.id, seen.source, len(asked)) == ("e1", "s", 1)

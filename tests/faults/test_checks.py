"""Each checker sees the one lie that is planted in an honest history, and nothing else does."""

from collections.abc import Callable
from xml.etree import ElementTree

import pytest

from tests.faults.story import ONE, PLAN, TWO, Story
from vagus.testing.faults import Verdict, judge
from vagus.testing.faults.judge.plot import plot_run
from vagus.testing.faults.record import Effect, Fell


def told(*parts: Callable[[Story], None], acked: int = 4, dead: int = 1, **lies: int) -> Verdict:
    """Return the verdict on an honest run with a kill, a stop, a retry and a dead letter, and on `parts` besides."""
    story = Story()
    first, second = story.publish(0, 0.0), story.publish(2, 0.1, turn=1)
    story.begin(first, 1.0)
    story.kill(ONE, 1.01)
    story.handle(first, 3.0, TWO)
    story.handle(second, 3.2, TWO)
    third = story.publish(3, 4.0, turn=2)
    story.handle(third, 4.1, TWO, outcome="failed")
    story.handle(third, 4.6, TWO, attempt=2)
    poison = story.publish(11, 5.0, turn=3)
    for attempt in (1, 2, 3):
        story.handle(poison, 5.0 + attempt, TWO, attempt=attempt, outcome="failed")
    story.bury(poison)
    last = story.publish(12, 20.0, turn=4)
    zombie = story.begin(last, 20.1, 103)
    story.stop(103, 20.11, 23.0)
    story.handle(last, 22.2, TWO)
    story.end(last, zombie, 23.1, settled=False)
    for part in parts:
        part(story)
    story.rest(40.0)
    story.books(acked, dead, **lies)
    return judge(sorted(story.records, key=lambda record: record.t), PLAN)


def seen(verdict: Verdict) -> set[str]:
    return {finding.check for finding in verdict.findings}


def test_honest_history_has_no_findings_and_tells_its_faults() -> None:
    verdict = told()

    assert verdict.ok, str(verdict)
    assert verdict.again == {"killed": 1, "retry": 3, "stopped": 1}
    assert (verdict.forced, verdict.hits, verdict.blows) == (2, 2, {"kill": 1, "stop": 1})
    assert (verdict.published, verdict.dead, verdict.drain_s) == (5, {"attempts": 1}, 17.0)


# --- loss ----------------------------------------------------------------------------------------------------------


def test_confirmed_event_that_nobody_handled_is_a_loss() -> None:
    def lose(story: Story) -> None:
        story.publish(4, 30.0, turn=9)

    assert seen(told(lose, acked=5)) == {"loss"}


def test_event_begun_by_a_killed_worker_and_never_again_is_a_loss() -> None:
    def lose(story: Story) -> None:
        story.begin(story.publish(4, 30.0, turn=9, told=False), 31.0, 104)
        story.kill(104, 31.01)

    assert seen(told(lose, acked=5)) == {"loss"}


def test_handled_event_whose_output_never_arrived_is_a_loss() -> None:
    def lose(story: Story) -> None:
        story.handle(story.publish(4, 30.0, turn=9), 31.0, TWO, settled=False)

    assert seen(told(lose, acked=5)) == {"loss"}


def test_spent_event_without_a_dead_letter_is_a_loss() -> None:
    def lose(story: Story) -> None:
        poison = story.publish(510, 30.0, turn=9)
        for attempt in (1, 2, 3):
            story.handle(poison, 30.0 + attempt, TWO, attempt=attempt, outcome="failed")

    assert seen(told(lose, acked=5)) == {"loss"}


@pytest.mark.parametrize("stored", [False, True], ids=["not stored", "stored"])
def test_event_whose_publisher_was_not_told_may_be_there_or_not(stored: bool) -> None:
    def publish(story: Story) -> None:
        maybe = story.publish(4, 30.0, turn=9, told=False)
        if stored:
            story.handle(maybe, 31.0, TWO)

    verdict = told(publish, acked=4 + stored)

    assert verdict.ok, str(verdict)
    assert (verdict.unknown, verdict.maybe) == (1, stored)


# --- phantoms, duplicates ------------------------------------------------------------------------------------------


def test_event_that_nobody_published_is_a_phantom() -> None:
    assert seen(told(lambda story: story.handle("job-4", 30.0, TWO), acked=5)) == {"phantom"}


def test_event_with_the_key_of_another_is_a_phantom() -> None:
    def swap(story: Story) -> None:
        id = story.publish(4, 30.0, turn=9)
        story.end(id, story.begin(id, 30.5, TWO, key="another"), 30.6)

    assert seen(told(swap, acked=5)) == {"phantom"}


def test_second_handling_without_a_fault_is_a_duplicate() -> None:
    def double(story: Story) -> None:
        id = story.publish(4, 30.0, turn=9)
        story.handle(id, 31.0, TWO)
        story.handle(id, 33.0, TWO, settled=False)

    assert seen(told(double, acked=5)) == {"duplicate"}


def test_second_handling_long_after_a_fault_is_a_duplicate() -> None:
    def double(story: Story) -> None:
        id = story.publish(4, 30.0, turn=9)
        story.handle(id, 31.0, 104)
        story.kill(104, 33.0)
        story.handle(id, 35.0, TWO, settled=False)

    assert seen(told(double, acked=5)) == {"duplicate"}


def test_second_handling_after_nobody_could_store_is_explained() -> None:
    def double(story: Story) -> None:
        id = story.publish(4, 30.0, turn=9)
        story.handle(id, 31.0, 104, settled=False)
        story.stall(31.01, 33.5)
        story.handle(id, 33.6, TWO)

    verdict = told(double, acked=5)

    assert verdict.ok, str(verdict)
    assert verdict.again["stalled"] == 1


def test_output_that_arrives_twice_without_a_fault_is_a_duplicate() -> None:
    def double(story: Story) -> None:
        story.records.append(Effect(t=30.0, pid=TWO, id="job-0", nonce=f"{TWO}-3.0"))

    assert seen(told(double)) == {"duplicate"}


# --- order, time ---------------------------------------------------------------------------------------------------


def test_later_event_of_a_key_before_the_earlier_is_over_is_a_reorder() -> None:
    def swap(story: Story) -> None:
        earlier, later = story.publish(4, 30.0, turn=8), story.publish(5, 30.1, turn=9)
        story.handle(later, 31.0, TWO)
        story.handle(earlier, 31.01, 104)

    assert seen(told(swap, acked=6)) == {"order"}


def test_redelivery_after_the_next_of_its_key_is_a_reorder() -> None:
    def swap(story: Story) -> None:
        earlier, later = story.publish(4, 30.0, turn=8), story.publish(5, 30.1, turn=9)
        story.handle(earlier, 31.0, 104, settled=False)
        story.kill(104, 31.1)
        story.handle(later, 32.0, TWO)
        story.handle(earlier, 33.2, TWO)

    assert seen(told(swap, acked=6)) == {"order"}


def test_delayed_event_before_its_time_is_early() -> None:
    def hurry(story: Story) -> None:
        story.handle(story.publish(4, 30.0, turn=9, delay_s=2.0), 31.5, TWO)

    assert seen(told(hurry, acked=5)) == {"early"}


@pytest.mark.parametrize(("number", "after_s"), [(3, 0.2), (7, 0.4)], ids=["back-off", "retry later"])
def test_retry_before_it_is_due_is_early(number: int, after_s: float) -> None:
    def hurry(story: Story) -> None:
        id = story.publish(number + 47 * 11 * 5, 30.0, turn=9)
        story.handle(id, 31.0, TWO, outcome="failed")
        story.handle(id, 31.03 + after_s, TWO, attempt=2)

    assert seen(told(hurry, acked=5)) == {"early"}


def test_attempt_that_counts_a_failure_which_was_none_is_early() -> None:
    def miscount(story: Story) -> None:
        story.handle(story.publish(4, 30.0, turn=9), 31.0, TWO, attempt=2)

    assert seen(told(miscount, acked=5)) == {"early"}


# --- fence, dead letters, the whole ----------------------------------------------------------------------------------


def test_settling_after_another_had_the_event_breaks_the_fence() -> None:
    def settle_late(story: Story) -> None:
        id = story.publish(4, 30.0, turn=9)
        zombie = story.begin(id, 31.0, 104)
        story.stop(104, 31.01, 34.0)
        story.handle(id, 33.0, TWO, settled=False)
        story.end(id, zombie, 34.1)

    assert seen(told(settle_late, acked=5)) == {"fence"}


def test_two_settled_handlings_of_one_event_break_the_fence() -> None:
    def settle_twice(story: Story) -> None:
        id = story.publish(4, 30.0, turn=9)
        story.handle(id, 31.0, 104)
        story.kill(104, 31.04)
        story.handle(id, 33.0, TWO)

    assert "fence" in seen(told(settle_twice, acked=5))


@pytest.mark.parametrize("reason", ["attempts", "quarantined"])
def test_dead_letter_without_its_reason_is_told(reason: str) -> None:
    def bury(story: Story) -> None:
        story.bury(story.publish(4, 30.0, turn=9), reason)

    assert seen(told(bury, dead=2)) == {"dead letter"}


@pytest.mark.parametrize("lie", [{"left": 1}, {"entered": 6}, {"accounted": 4}, {"acked": 3}, {"dead": 0}], ids=str)
def test_books_that_differ_from_the_history_are_told(lie: dict[str, int]) -> None:
    assert seen(told(**lie)) == {"books"}


@pytest.mark.parametrize("rest_t", [None, 61.1], ids=["never", "late"])
def test_run_that_does_not_come_to_rest_in_time_is_stuck(rest_t: float | None) -> None:
    story = Story()
    id = story.publish(0, 0.0)
    story.begin(id, 0.5, TWO)
    story.kill(TWO, 1.0)
    story.handle(id, 3.0)
    if rest_t is not None:
        story.rest(rest_t)
    story.books(1)

    assert seen(judge(story.records, PLAN)) == {"liveness"}


def test_worker_that_ends_by_itself_is_told() -> None:
    fell = Fell(t=30.0, pid=1, victim=104, role="worker 0", code=1)

    assert seen(told(lambda story: story.records.append(fell))) == {"worker"}


def test_run_whose_faults_hit_nothing_proves_nothing() -> None:
    story = Story()
    story.handle(story.publish(0, 0.0), 1.0)
    story.kill(TWO, 2.0)
    story.rest(3.0)
    story.books(1)

    assert seen(judge(story.records, PLAN)) == {"no fault"}


# --- the picture -----------------------------------------------------------------------------------------------------


def test_picture_shows_what_was_handled_what_came_again_and_every_fault() -> None:
    story = Story()
    id = story.publish(0, 0.0)
    story.begin(id, 0.5, TWO)
    story.kill(TWO, 0.6)
    story.handle(id, 3.0)
    story.stop(ONE, 5.0, 8.0)

    picture = ElementTree.fromstring(plot_run(story.records, PLAN))

    shapes = [(shape.tag.split("}")[1], shape.get("class"), shape.findtext("{*}title")) for shape in picture]
    assert ("rect", "done", "second 3: 1") in shapes
    assert ("rect", "again", "second 3: 1") in shapes
    assert [title for tag, _, title in shapes if tag == "circle"] == ["kill 102 at 0.6 s", "stop 101 at 5.0 s"]

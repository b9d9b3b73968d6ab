"""The checkers of what happened to events: each looks for one kind of broken promise, and says what it found."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise

from vagus.reliability.decide import LOSS_LIMITS
from vagus.testing.faults.judge.again import repeats
from vagus.testing.faults.judge.history import Handling, History
from vagus.testing.faults.record import Begin, Intent

#: What two clocks of one machine may differ by, in seconds.
_CLOCK_S = 0.02


def lost(history: History) -> Iterator[str]:
    """Yield events that were confirmed, or even begun, and never came to an end, and outputs that never arrived.

    An event whose publisher was not told may be there or not: it is lost only if it was begun.
    """
    buried = {letter.id for letter in history.letters}
    for id in sorted((history.confirmed | history.handlings.keys()) - buried):
        handlings = history.handlings.get(id, [])
        if math.isinf(history.finished_at(id)):
            yield f"{id} was {'begun and never finished' if handlings else 'confirmed and never handled'}"
        elif not any(handling.outcome == "done" for handling in handlings):
            yield f"{id} failed for the last time, and there is no dead letter of it"
        elif id not in history.effects:
            yield f"{id} was handled, and its output never arrived"


def invented(history: History) -> Iterator[str]:
    """Yield handlings, outputs and dead letters of what nobody ever meant to publish, or of other content."""
    nonces = set()
    for id, handlings in history.handlings.items():
        nonces |= {handling.begin.nonce for handling in handlings}
        intent = history.intents.get(id)
        if intent is None:
            yield f"{id} was handled and never published"
        else:
            yield from (f"{id} was handled as another event" for one in handlings if _differs(one.begin, intent))
    for effect in (effect for effects in history.effects.values() for effect in effects):
        if effect.nonce not in nonces:
            yield f"an output of {effect.id} names handling {effect.nonce}, which there was not"
    for letter in history.letters:
        if letter.id not in history.intents:
            yield f"there is a dead letter of {letter.id}, which was never published"


def _differs(begin: Begin, intent: Intent) -> bool:
    return (begin.number, begin.key) != (intent.number, intent.key)


def doubled(history: History) -> Iterator[str]:
    """Yield handlings of an event that was handled before, where no failure and no fault explains it."""
    for again in repeats(history):
        if again.reason is None:
            before, after = again.before, again.after
            yield (
                f"{before.begin.id} was handled by {before.pid} ({before.outcome}, attempt {before.begin.attempt}) and"
                f" {after.t - before.t:.3f} s later by {after.pid} (attempt {after.begin.attempt}), for no known reason"
            )
    doubt = history.doubt
    for id, effects in history.effects.items():
        for first, second in pairwise(effects):
            why = doubt.why(first.pid, first.t - doubt.slack_s, first.t + doubt.slack_s)
            if why is None and doubt.may_have_lost(second.pid, second.t) is None:
                yield f"the output of {id} arrived at {first.pid}, and again at {second.pid}, for no known reason"


def disordered(history: History) -> Iterator[str]:
    """Yield neighbours of one key where the later was begun before the earlier was over, or the earlier after it.

    Delayed events are left out: they join their key when they are due. So is a handling whose process may have lost
    the delivery without knowing: it is a double of one that counts.
    """
    keys: dict[str, list[Intent]] = defaultdict(list)
    for intent in history.intents.values():
        if not intent.delay_s and intent.id in history.handlings:
            keys[intent.key].append(intent)
    for key, intents in keys.items():
        ids = [intent.id for intent in sorted(intents, key=lambda intent: intent.turn)]
        for earlier, later in pairwise(ids):
            first = history.handlings[later][0].t
            sure = [one.t for one in history.handlings[earlier] if not history.doubt.stale(one)]
            if max(sure, default=-math.inf) > first:
                yield f"{earlier} of {key} was handled again after {later}, which follows it"
            elif _over_at(history, earlier) > first:
                yield f"{later} of {key} was begun before {earlier}, which precedes it, was over"


def _over_at(history: History, id: str) -> float:
    """Return when an event was over; one that was quarantined was so after it was last begun."""
    quarantined = any(letter.id == id and letter.reason == "quarantined" for letter in history.letters)
    return -math.inf if quarantined else history.finished_at(id)


def early(history: History) -> Iterator[str]:
    """Yield delayed events and retries that came before they were due, and retries of failures that there were not."""
    for id, handlings in history.handlings.items():
        intent = history.intents.get(id)
        if intent is not None and handlings[0].t < intent.t + intent.delay_s - _CLOCK_S:
            yield f"{id}, delayed by {intent.delay_s:g} s, came after {handlings[0].t - intent.t:.3f} s"
        for handling in handlings:
            due = _due_at(history, handlings, handling)
            if handling.begin.attempt > history.plan.attempts or due == math.inf:
                yield f"{id} was handed out as attempt {handling.begin.attempt}, and had not failed before"
            elif handling.t < due - _CLOCK_S:
                yield f"attempt {handling.begin.attempt} at {id} came {due - handling.t:.3f} s before it was due"


def _due_at(history: History, handlings: list[Handling], handling: Handling) -> float:
    """Return the earliest moment for an attempt: some time after the first failure of the attempt before it."""
    begin = handling.begin
    if begin.attempt <= 1:
        return -math.inf
    failures = (o.ended_at for o in handlings if o.outcome == "failed" and o.begin.attempt == begin.attempt - 1)
    later = history.plan.task(begin.number).fate == "later"
    return min(failures, default=math.inf) + (history.plan.later_s if later else history.plan.floor_s)


def unfenced(history: History) -> Iterator[str]:
    """Yield events of which two handlings were settled, or one whose delivery another process had by then.

    Which handling was settled is told by its output, since the two are stored together.
    """
    for id, effects in history.effects.items():
        nonces = {effect.nonce for effect in effects}
        if len(nonces) > 1:
            yield f"{id} was settled by {len(nonces)} handlings"
        handlings = history.handlings.get(id, [])
        for winner in (handling for handling in handlings if handling.begin.nonce in nonces):
            between = [one for one in handlings if winner.t < one.t < winner.ended_at and not history.doubt.stale(one)]
            if between:
                yield f"{id} was settled by {winner.pid} after {between[0].pid} had been given it"


def misburied(history: History) -> Iterator[str]:
    """Yield dead letters of events that were not given up on for their reason, and second ones of the same event.

    An event is quarantined for what it did alone: it was begun as often, at least, as that takes.
    """
    for id, count in Counter(letter.id for letter in history.letters).items():
        if count > 1:
            yield f"there are {count} dead letters of {id}"
    for letter in history.letters:
        handlings = history.handlings.get(letter.id, [])
        spent = any(one.outcome == "failed" and history.is_final(one) for one in handlings)
        if letter.reason == "quarantined" and len(handlings) < LOSS_LIMITS.quarantine - LOSS_LIMITS.alone:
            yield f"{letter.id} was quarantined, and had been begun {len(handlings)} times"
        elif letter.reason != "quarantined" and not (letter.reason == "attempts" and spent):
            yield f"{letter.id} is a dead letter for {letter.reason!r}, and its attempts were not spent"

"""Under which name a put is stored once (G12): no two different puts share one, and no step is used twice.

A log remembers the names for a window, so a name needs to be unique within its target only. Each begins with a
time-ordered id, because an index over names in random order is several times slower.

| put                     | target    | its name                                              |
|-------------------------|-----------|-------------------------------------------------------|
| publish, output         | topic     | source, id, generation                                |
| retry through the inbox | inbox     | ... and the step, which the note counts up and never repeats |
| dead letter             | `$dead.G` | id of the letter: group, member, event, generation, place |
| move by a dispatcher    | inbox     | where it was published, generation, how often moved   |
| redrive                 | inbox     | id of the letter, and the generation that it starts   |
| replay                  | inbox     | topic and position, and the generation that it starts |
| mark on a letter        | `$dead.G` | id of the mark                                        |
"""

from __future__ import annotations

from vagus.message.ident import derived_id

_LETTER = -1  # outputs of a handling count from 0


def published(source: str, id: str, generation: int = 0) -> str:
    """Return the dedupe of a publish, an output, an import: the event's own identity.

    Ids and sources may hold any character; the length of the id at the end keeps them apart.
    """
    return f"{id}:{source}:{generation}:{len(id)}"


def retried(source: str, id: str, generation: int, step: int) -> str:
    """Return the dedupe of a retry through the inbox; `step` is the new note's `steps`."""
    return f"{published(source, id, generation)}:retry:{step}"


def moved(origin: tuple[str, int | str], generation: int, moves: int) -> str:
    """Return the dedupe of a move to an inbox; `moves` is the new note's, so no move of an event has another's name."""
    topic, position = origin
    return f"{position}:{topic}:{generation}:moved:{moves}"


def output_id(cause_id: str, cause_generation: int, group: str, member: str | None, index: int) -> str:
    """Return the id of a handler's output number `index` (from 0); `member` in an `all` group only.

    A handler that runs again after a crash publishes the same ids, so that downstream sees them once.
    """
    return derived_id(cause_id, cause_generation, group, member, index)


def letter_id(event_id: str, generation: int, group: str, member: str | None, topic: str, position: int | str) -> str:
    """Return the id of the dead letter of one delivery; it is also the put's dedupe.

    The place counts too: two topics of a group may carry events of one id, and each that dies is a letter.
    """
    return derived_id(event_id, generation, f"$dead.{group}@{topic}#{position}", member, _LETTER)


def redriven(letter: str, generation: int) -> str:
    """Return the dedupe of a redrive of the letter with that id, which starts `generation`."""
    return f"{letter}:redriven:{generation}"


def replayed(topic: str, position: int | str, generation: int) -> str:
    """Return the dedupe of a replay into an inbox: by place, since an event there may have no id that can be read."""
    return f"{topic}#{position}:replayed:{generation}"


def mark_id(letter: str, change: str, number: int = 0) -> str:
    """Return the id of a mark on a dead letter, also its dedupe; `number` tells several edits apart."""
    return derived_id(letter, 0, f"$mark.{change}", None, number)

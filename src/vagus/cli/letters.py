"""The dead letters of groups as commands need them: read, found by the start of an id, marked with a progress bar."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Sequence

import click

from vagus.backend import After, Backend, First, Record, Unit
from vagus.cli.target import known_group
from vagus.errors import BackendError, InvalidArgument
from vagus.message import dead_topic
from vagus.reliability.dead import LetterState, fold, read_entry

_PAGE = 500
_BATCH = 100


async def letters_of(backend: Backend, group: str | None) -> list[LetterState]:
    """Return all letters, open or not, of one group, or of all groups; oldest first within a group."""
    if group is not None:
        return await _of_group(backend, await known_group(backend, group))
    groups = [info.spec.name for info in (await backend.describe()).groups]
    return [state for name in groups for state in await _of_group(backend, name)]


async def _of_group(backend: Backend, group: str) -> list[LetterState]:
    records = await _records(backend, dead_topic(group))
    entries = (entry for record in records if (entry := read_entry(record.envelope)) is not None)
    return list(fold(entries).values())


async def _records(backend: Backend, topic: str) -> list[Record]:
    records = list(await backend.read(topic, First(), _PAGE))
    page = records
    while len(page) == _PAGE:
        page = list(await backend.read(topic, After(page[-1].position), _PAGE))
        records += page
    return records


def chosen(states: Sequence[LetterState], id: str) -> LetterState:
    """Return the letter whose id, or whose event's id, starts or ends with `id`.

    Raises InvalidArgument where there is none, or more than one.
    """
    found = [state for state in states if _has(state, id)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise InvalidArgument(f"there is no dead letter {id!r}", hint="vagus dead ls --closed")
    ids = ", ".join(state.letter.id for state in found[:3])
    raise InvalidArgument(f"{id!r} means {len(found)} dead letters ({ids}, …): expected more of the id")


def _has(state: LetterState, id: str) -> bool:
    names = (state.letter.id, state.letter.event_id)
    return bool(id) and any(name.startswith(id) or name.endswith(id) for name in names)


async def carry_out(backend: Backend, units: Sequence[Unit], label: str) -> int:
    """Commit `units`, with a progress bar on a terminal; return how many were carried out.

    Raises BackendError where one was refused, telling how many went before it.
    """
    done = 0
    with click.progressbar(length=len(units), label=label, file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        for start in range(0, len(units), _BATCH):
            outcomes = await backend.commit(units[start : start + _BATCH])
            done += sum(outcome.done for outcome in outcomes)
            bar.update(len(outcomes))
            refused = [put for outcome in outcomes if not outcome.done for put in outcome.puts if put.why]
            if refused:
                text = f"{refused[0].why}: {done} of {len(units)} were done"
                raise BackendError(text, hint="run the command again: it goes on where it stopped")
    return done


def whoami() -> str:
    """Return who runs the command, for the marks that it leaves."""
    try:
        return f"{getpass.getuser()} by vagus dead"
    except (KeyError, OSError):
        return "vagus dead"

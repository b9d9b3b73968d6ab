"""`vagus dead`: what groups gave up on, and why; send it again, mend it, or close it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from vagus.cli.group import Listing
from vagus.cli.letters import carry_out, chosen, letters_of, whoami
from vagus.cli.option import JSON, SPAN, json_option, url_option
from vagus.cli.output import number, print_json, print_table, span, style
from vagus.cli.target import opened, sure
from vagus.errors import InvalidArgument, UsageError
from vagus.message import Envelope, instant_text
from vagus.message.headers import is_binary
from vagus.reliability.dead import DeadFilter, DeadLetter, LetterState
from vagus.reliability.redrive import discard, edit, plan_redrive

Function = TypeVar("Function", bound=Callable[..., Any])


@click.group("dead", cls=Listing)
def command() -> None:
    """Look at dead letters, send them again, discard them."""


def filter_options(function: Function) -> Function:
    """Add the options that say which dead letters are meant."""
    for option in reversed(
        (
            click.option("--id", "ids", multiple=True, help="This letter, or the event of this id."),
            click.option("--reason", "reasons", multiple=True, help="Given up for this reason, such as attempts."),
            click.option("--kind", "kinds", multiple=True, help="Died of this kind of error, such as TimeoutError."),
            click.option("--type", "types", multiple=True, help="Events of this type, or pattern of types."),
            click.option("--member", "members", multiple=True, help="Of this member of a group that delivers to all."),
            click.option("--older-than", type=SPAN, metavar="AGE", help="Died at least that long ago (10m, 2d)."),
        )
    ):
        function = option(function)
    return function


def _only(states: Sequence[LetterState], options: dict[str, Any]) -> DeadFilter:
    ids = [chosen(states, id).letter.id for id in options["ids"]]
    return DeadFilter(
        ids=frozenset(ids),
        reasons=frozenset(options["reasons"]),
        kinds=frozenset(options["kinds"]),
        types=frozenset(options["types"]),
        members=frozenset(options["members"]),
        older_than_s=options["older_than"],
    )


# --- looking -------------------------------------------------------------------------------------------------------


@command.command("ls")
@click.argument("group", required=False)
@filter_options
@click.option("--closed", is_flag=True, help="Show redriven and discarded ones too.")
@url_option
@json_option
def list_letters(group: str | None, url: str | None, as_json: bool, closed: bool, **options: Any) -> None:
    """List the open dead letters of GROUP, or of all groups."""
    states = asyncio.run(_list(url, group, closed, options))
    if as_json:
        print_json([summary(state) for state in states])
    elif not states:
        click.echo("no dead letters")
    else:
        now = time.time()
        print_table(("ID", "GROUP / EVENT", "REASON / ERROR", ">AGE"), [_row(state, now) for state in states])


async def _list(url: str | None, group: str | None, closed: bool, options: dict[str, Any]) -> list[LetterState]:
    async with opened(url, "vagus dead ls") as (backend, _):
        states = await letters_of(backend, group)
        only, now = _only(states, options), time.time()
        return [s for s in states if (closed or s.standing == "open") and only.matches(s.letter, now)]


def _row(state: LetterState, now: float) -> Sequence[object]:
    letter = state.letter
    standing = "" if state.standing == "open" else f"\n({state.standing})"
    reason = f"{letter.reason} ({letter.attempts})" if letter.attempts else letter.reason
    name = f"{letter.group}/{letter.member}" if letter.member else letter.group
    event = letter.event_type or f"{letter.topic} (undecodable)"
    return letter.id + standing, f"{name}\n{event}", f"{reason}\n{_error(letter)}", span(max(0.0, now - letter.died_at))


def _error(letter: DeadLetter) -> str:
    text = f"{letter.error_kind.rpartition('.')[2]}: {letter.error_message}" if letter.error_kind else ""
    return text if len(text) <= 60 else text[:59] + "…"


@command.command("show")
@click.argument("id")
@click.option("--group", help="Look only at this group.")
@url_option
@json_option
def show_letter(id: str, group: str | None, url: str | None, as_json: bool) -> None:
    """Show one dead letter whole: why it died, its history, and the event itself."""
    state = asyncio.run(_show(url, group, id))
    if as_json:
        print_json(details(state))
        return
    facts = details(state)
    for name in ("errors", "history", "stack", "event"):
        facts.pop(name)
    for name, value in facts.items():
        if value not in (None, "", {}):
            click.echo(f"{style(name.replace('_', ' '), bold=True):<20} {value}")
    for failure in state.letter.errors:
        click.echo(f"{'error':<20} {instant_text(failure.at)}  {failure.kind}: {failure.message}")
    for death in state.letter.history:
        click.echo(f"{'died before':<20} {instant_text(death.at)}  {death.reason}, generation {death.generation}")
    if state.letter.stack:
        click.echo(f"\n{state.letter.stack.rstrip()}")
    click.echo(f"\n{body_text(state.letter.envelope)}")


async def _show(url: str | None, group: str | None, id: str) -> LetterState:
    async with opened(url, f"vagus dead show {id}") as (backend, _):
        return chosen(await letters_of(backend, group), id)


def summary(state: LetterState) -> dict[str, Any]:
    """Return a letter as the JSON of a list shows it."""
    letter = state.letter
    return {
        "id": letter.id,
        "group": letter.group,
        "member": letter.member,
        "standing": state.standing,
        "topic": letter.topic,
        "position": letter.position,
        "event_id": letter.event_id,
        "event_type": letter.event_type,
        "reason": letter.reason,
        "error_kind": letter.error_kind,
        "error_message": letter.error_message,
        "attempts": letter.attempts,
        "losses": letter.losses,
        "generation": letter.generation,
        "died_at": instant_text(letter.died_at),
    }


def details(state: LetterState) -> dict[str, Any]:
    """Return all of a letter that a person may want to read."""
    letter = state.letter
    return {
        **summary(state),
        "edits": state.edits,
        "event_source": letter.event_source,
        "key": letter.key,
        "run": letter.correlation_id,
        "traceparent": letter.traceparent,
        "attempts_by_kind": letter.attempts_by_kind,
        "first_failed_at": None if letter.first_failed_at is None else instant_text(letter.first_failed_at),
        "errors": [msgspec.to_builtins(failure) for failure in letter.errors],
        "history": [msgspec.to_builtins(death) for death in letter.history],
        "stack": letter.stack,
        "content_type": letter.content_type,
        "headers": letter.headers,
        "event": body_text(letter.envelope),
    }


def body_text(envelope: Envelope) -> str:
    """Return the bytes of an event as text; what is no text shows as escapes."""
    return envelope.body.decode("utf-8", "backslashreplace")


# --- doing ---------------------------------------------------------------------------------------------------------


@command.command("redrive")
@click.argument("group")
@filter_options
@click.option("--all", "every", is_flag=True, help="All open letters of the group.")
@click.option("--rate", type=float, help="At most so many events a second; default: all at once.")
@click.option("--force", is_flag=True, help="Also those that died of the same reason again and again.")
@click.option("--dry-run", is_flag=True, help="Only say what would be sent.")
@url_option
@json_option
def redrive_letters(
    group: str,
    every: bool,
    rate: float | None,
    force: bool,
    dry_run: bool,
    url: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Send dead letters of GROUP to it again, and to nobody else. They keep their bytes, and start a new generation."""
    _must_say_which(every, options, f"vagus dead redrive {group} --all")
    told = asyncio.run(_redrive(url, group, rate, force, dry_run, options))
    if as_json:
        print_json(told)
        return
    if not told["redriven"] and not told["withheld"]:
        click.echo(_nothing("redrive", group))
        return
    over = f", over {span(len(told['redriven']) / rate)}" if rate else ""
    verb = "would redrive" if dry_run else "redrove"
    click.echo(f"{verb} {number(len(told['redriven']), 'dead letter')} of {group}{over}")
    if told["withheld"]:
        click.echo(f"withheld {len(told['withheld'])} that died of the same reason again and again; --force sends them")


async def _redrive(
    url: str | None, group: str, rate: float | None, force: bool, dry_run: bool, options: dict[str, Any]
) -> dict[str, Any]:
    async with opened(url, f"vagus dead redrive {group}") as (backend, _):
        states = await letters_of(backend, group)
        plan = plan_redrive(states, time.time(), only=_only(states, options), rate=rate, force=force, by=whoami())
        if not dry_run:
            await carry_out(backend, plan.units, "redriving")
        return {"group": group, "dry_run": dry_run, "redriven": plan.letters, "withheld": plan.withheld}


@command.command("discard")
@click.argument("group")
@filter_options
@click.option("--all", "every", is_flag=True, help="All open letters of the group.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@url_option
@json_option
def discard_letters(group: str, every: bool, yes: bool, url: str | None, as_json: bool, **options: Any) -> None:
    """Close dead letters of GROUP for good. They stay on record, and are never sent again."""
    _must_say_which(every, options, f"vagus dead discard {group} --all")
    ids = asyncio.run(_discard(url, group, yes, options))
    if as_json:
        print_json({"group": group, "discarded": ids})
    elif not ids:
        click.echo(_nothing("discard", group))
    else:
        click.echo(f"discarded {number(len(ids), 'dead letter')} of {group}")


async def _discard(url: str | None, group: str, yes: bool, options: dict[str, Any]) -> list[str]:
    async with opened(url, f"vagus dead discard {group}") as (backend, _):
        states = await letters_of(backend, group)
        only, now = _only(states, options), time.time()
        meant = [s for s in states if s.standing == "open" and only.matches(s.letter, now)]
        if meant and not yes:
            sure(f"discard {number(len(meant), 'dead letter')} of {group}?", f"vagus dead discard {group} …")
        await carry_out(backend, [discard(state, now, whoami()) for state in meant], "discarding")
        return [state.letter.id for state in meant]


@command.command("edit")
@click.argument("id")
@click.option("--group", help="Look only at this group.")
@click.option("--data", type=JSON, metavar="JSON", help="The new data of the event; its attributes stay.")
@click.option("--body", type=click.Path(exists=True, dir_okay=False), help="A file with the whole event as bytes.")
@url_option
def edit_letter(id: str, group: str | None, data: Any, body: str | None, url: str | None) -> None:
    """Mend the event of a dead letter before it is redriven; the original stays on record."""
    if (data is None) == (body is None):
        raise UsageError("expected --data JSON or --body FILE", hint="vagus dead edit --help")
    whole = None if body is None else Path(body).read_bytes()
    letter = asyncio.run(_edit(url, group, id, data, whole))
    click.echo(f"edited {letter.id}; send it again with: vagus dead redrive {letter.group} --id {letter.id}")


async def _edit(url: str | None, group: str | None, id: str, data: Any, body: bytes | None) -> DeadLetter:
    async with opened(url, f"vagus dead edit {id}") as (backend, _):
        state = chosen(await letters_of(backend, group), id)
        old = state.letter.envelope
        new = _with_data(old, data) if body is None else _with_body(old, body)
        await carry_out(backend, [edit(state, new, time.time(), whoami())], "editing")
        return state.letter


def _with_body(old: Envelope, body: bytes) -> Envelope:
    return msgspec.structs.replace(old, body=body)


def _with_data(old: Envelope, data: Any) -> Envelope:
    """Return the event with other data: the body where it is the data alone, else inside the structured document."""
    if is_binary(old.headers):
        return Envelope(msgspec.json.encode(data), "application/json", old.headers)
    try:
        document = msgspec.json.decode(old.body)
    except msgspec.DecodeError:
        document = None
    if not isinstance(document, dict) or "specversion" not in document:
        text = "the event cannot be read, so its data cannot be replaced"
        raise InvalidArgument(text, hint="vagus dead edit ID --body FILE")
    document.pop("data_base64", None)
    document.pop("datacontenttype", None)
    return _with_body(old, msgspec.json.encode({**document, "data": data}))


def _nothing(verb: str, group: str) -> str:
    return f"nothing to {verb}: no open dead letter of {group} fits (dead ls --closed shows those that are closed, too)"


def _must_say_which(every: bool, options: dict[str, Any], example: str) -> None:
    if not every and not any(options.values()):
        raise UsageError("expected which dead letters are meant: --id, --reason, --kind, … or --all", hint=example)

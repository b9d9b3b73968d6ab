"""`vagus routes`: which topic goes to which backend and why, and how a shadow's copies differ."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click
import msgspec

from vagus.app.app import App
from vagus.app.routing.assembly import read_routes
from vagus.app.routing.diff import difference
from vagus.app.routing.placement import OWN_PREFIX, Placement
from vagus.backend import Backend
from vagus.cli.group import Listing
from vagus.cli.loading import load_app
from vagus.cli.option import SPAN, json_option
from vagus.cli.output import number, print_json, print_table
from vagus.cli.target import must_be_shared, must_be_there
from vagus.delivery.difference import Difference
from vagus.errors import InvalidArgument, UsageError, mask_url
from vagus.registry import create_backend

Function = TypeVar("Function", bound=Callable[..., Any])
_SHOWN = 5


@click.group("routes", cls=Listing)
def command() -> None:
    """Show which topics go to which backend, or compare a topic with its shadow."""


def _policy_options(function: Function) -> Function:
    for option in (
        click.option("--routes", metavar="FILE", help="A policy; default: that of the app, else $VAGUS_ROUTES."),
        click.option("--app", "target", metavar="MODULE:APP", help="The app, which knows the classes of its topics."),
    ):
        function = option(function)
    return function


@command.command("ls")
@click.argument("topics", nargs=-1, metavar="[TOPIC]...")
@_policy_options
@json_option
def list_routes(topics: Sequence[str], target: str | None, routes: str | None, as_json: bool) -> None:
    """Show where topics go and why: those that are named, or all that the app knows."""
    app, placement = _placement(target, routes)
    names = list(topics) or [name for name in app.topics.known if not name.startswith(OWN_PREFIX)]
    rows = [_record(app, placement, name) for name in names]
    if as_json:
        print_json(rows)
    else:
        columns = ("TOPIC", "KIND", "BACKEND", "WHY", "SHADOW")
        print_table(columns, [(*list(row.values())[:4], row["shadow"] or "-") for row in rows])


@command.command("diff")
@click.argument("topics", nargs=-1, required=True, metavar="TOPIC...")
@click.option(
    "--settle",
    type=SPAN,
    default="2s",
    show_default=True,
    metavar="TIME",
    help="Events that are younger may still lack in the copy.",
)
@_policy_options
@json_option
def compare_topics(topics: Sequence[str], settle: float, target: str | None, routes: str | None, as_json: bool) -> int:
    """Compare topics with the copies of their shadow: missing, extra and changed events, and the order of each key.

    Events are known by source and id. Ends with 1 where something differs.
    """
    app, placement = _placement(target, routes)
    found = [asyncio.run(_difference(app, placement, topic, settle)) for topic in topics]
    if as_json:
        print_json([{**msgspec.to_builtins(one), "same": one.same} for one in found])
    else:
        for one in found:
            _print(one)
    return int(any(not one.same for one in found))


def _placement(target: str | None, routes: str | None) -> tuple[App, Placement]:
    """Return the app, and its policy or the one in a file. Raises UsageError where there is neither."""
    app = load_app(target) if target else App(name="look")
    setting = read_routes(routes) if routes else None
    policy = app.policy if setting is None else setting.policy(app.url)
    if policy is None:
        what = f"{target} has no routes: all events go to {mask_url(app.url)}" if target else "no policy was named"
        text = f"{what}; expected --app with routes=, --routes, or VAGUS_ROUTES"
        raise UsageError(text, where="vagus routes", hint="vagus routes --app app.py:app")
    return app, Placement(policy, app.topics, policy.default)


def _record(app: App, placement: Placement, topic: str) -> dict[str, Any]:
    route = placement.route(app.topics.qualified(topic))
    return {
        "topic": topic,
        "kind": app.topics.kind_of(topic),
        "backend": route.place,
        "why": route.why,
        "shadow": route.shadow,
        "url": mask_url(placement.policy.places[route.place].url),
    }


async def _difference(app: App, placement: Placement, topic: str, settle_s: float) -> Difference:
    name = app.topics.qualified(topic)
    route = placement.route(name)
    if route.shadow is None:
        known = f"{topic!r} goes to {route.place} ({route.why}) and has no shadow"
        raise InvalidArgument(known, hint='give its rule one: shadow = "NAME"')
    first = await _opened(placement, route.place)
    try:
        second = await _opened(placement, route.shadow)
        try:
            return await difference(name, first, second, app.topics.settings(topic).wire, settle_s)
        finally:
            await second.close()
    finally:
        await first.close()


async def _opened(placement: Placement, place: str) -> Backend:
    url = placement.policy.places[place].url
    must_be_there(url)
    backend = create_backend(url)
    capabilities = await backend.open()
    try:
        must_be_shared(capabilities, url, "vagus routes diff")
    except UsageError:
        await backend.close()
        raise
    return backend


def _print(found: Difference) -> None:
    parts = [f"{number(found.compared, 'event')} in both"]
    parts += [f"{len(ids)} {name}" for name, ids in _parts(found) if ids]
    parts += [f"{found.before} from before the shadow began"] if found.before else []
    parts += [f"{found.pending} too new to judge"] if found.pending else []
    click.echo(f"{found.topic}: {'the same' if found.same else 'differs'}: {', '.join(parts)}")
    for name, ids in _parts(found):
        for id in ids[:_SHOWN]:
            click.echo(f"  {name:<12} {id}")
        if len(ids) > _SHOWN:
            click.echo(f"  {name:<12} and {len(ids) - _SHOWN} more; --json has all")


def _parts(found: Difference) -> Sequence[tuple[str, Sequence[str]]]:
    return (
        ("missing", found.missing),
        ("extra", found.extra),
        ("changed", found.changed),
        ("out of order", found.disordered),
    )

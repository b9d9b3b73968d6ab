"""What the code of an app declares, beside what is there on its backend."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vagus.app.app import App
from vagus.app.handler import Handler
from vagus.backend import GroupSpec
from vagus.cli.findings.examined import Examined, Finding
from vagus.message import event_type, matches
from vagus.reliability.retry import DEFAULT


def code_and_backend(seen: Examined) -> Iterator[Finding]:
    """Look at the app's handlers: promises that the backend cannot keep, outputs for nobody, groups that differ."""
    app = seen.app
    if app is None:
        return
    if app.policy is None and not seen.capabilities.durable:  # with routes, each handler's own backend counts
        yield from _retries_without_durability(seen, app)
    yield from _outputs_for_nobody(app)
    if seen.shared:
        yield from _groups_that_differ(seen, app)


def _retries_without_durability(seen: Examined, app: App) -> Iterator[Finding]:
    """Whoever wrote retry= wants the event handled in the end; the default alone says nothing of the kind."""
    for name, handler in app.handlers.items():
        if handler.policies is not DEFAULT and any(policy.attempts > 1 for policy in handler.policies):
            text = f"it has retry=, but {seen.capabilities.system} forgets what waits when its process ends"
            yield Finding("problem", name, text, 'App("sqlite:///vagus.db") keeps it')


def _outputs_for_nobody(app: App) -> Iterator[Finding]:
    heard = [pattern for handler in app.handlers.values() for pattern in handler.patterns]
    for name, handler in app.handlers.items():
        for cls in handler.signature.returns:
            etype = event_type(cls)
            kept = app.topics.settings(etype.topic).keep_s is not None
            if not (etype.final or kept or any(matches(pattern, etype.topic) for pattern in heard)):
                text = f"its {cls.__name__} events are read by no handler of the app, end no run and are not kept"
                yield Finding("remark", name, text, f'to keep them: app.topic({cls.__name__}, keep="7d")')


def _groups_that_differ(seen: Examined, app: App) -> Iterator[Finding]:
    there = {info.spec.name: info.spec for info in seen.catalogue.groups}
    declared = {app.topics.qualified(name): handler for name, handler in app.handlers.items()}
    for group, handler in declared.items():
        if group not in there:
            text = "it is declared in the code and was never started here: it gets nothing yet"
            yield Finding("remark", group, text, "vagus worker app.py:app")
        else:
            yield from _differences(group, handler, app, there[group])
    for group in there:
        if group.startswith(f"{app.topics.qualified(app.name)}.") and group not in declared:
            text = "no handler of the code has this group any more, and it goes on collecting events"
            yield Finding("problem", group, text, f"vagus groups drop {group}")


def _differences(group: str, handler: Handler, app: App, there: GroupSpec) -> Iterator[Finding]:
    patterns = {app.topics.qualified(pattern) for pattern in handler.patterns}
    if set(there.patterns) != patterns:
        text = f"the code listens to {_listed(patterns)}, the group here to {_listed(there.patterns)}"
        yield Finding("remark", group, text, "a worker that starts with this code makes it so")
    if there.mode != handler.mode:
        text = f'the code says deliver="{handler.mode}", the group here is "{there.mode}"'
        yield Finding("problem", group, text, 'name another group: @app.on(..., group="another")')


def _listed(patterns: Iterable[str]) -> str:
    return ", ".join(sorted(patterns))

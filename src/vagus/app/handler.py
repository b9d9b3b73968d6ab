"""A handler: a function, the events that it is for, and how they are delivered to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import msgspec

from vagus.app.effects.database import EffectDatabase
from vagus.app.effects.ledger import Effects, effects_of
from vagus.app.middleware.layers import NONE, Layers
from vagus.app.signature import Signature, lent, read_signature
from vagus.app.topics import seconds
from vagus.backend import GroupSpec, Mode
from vagus.delivery.pick import Pick
from vagus.delivery.rate import Rate, rate_of
from vagus.delivery.subscription import mode_of, named_member
from vagus.errors import InvalidArgument, InvalidHandler
from vagus.message import check_group, check_pattern
from vagus.reliability.retry import Retry, policies_of

Retries: TypeAlias = Retry | int | list[Retry] | tuple[Retry, ...] | None

CONCURRENCY = {"async": 32, "async stream": 32, "sync": 8, "sync stream": 8}
"""How many attempts of one handler run at once in a process, unless told otherwise."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How a handler wants its events; the keyword arguments of `App.on`. Durations in seconds, or text ("30s").

    `deliver`: "once" (each event to one member) or "all" (to every member). `group`: the name of the subscription;
    default APP.FUNCTION. `pick`: who gets an event in "once": "own" (whoever has credit), "round_robin", "random",
    "by_key", "by_label", "least_busy", "weighted", an object of these, `When(...)` or a list of them, or an object or
    class of yours with `choose(event, members)` or `apply(event)`; default the app's `strategy`. `member`: the name of
    this process's member; in "all", one that gets what it missed while away. `retry`: a policy, several,
    or a number of attempts; default 5 attempts. `timeout`: the longest that an attempt may run; default no limit.
    `ordered`: events of one key one at a time and in order. `concurrency`: attempts at once in this process; default
    32, or 8 for a sync handler (in threads). `prefetch`: events held at once; default as many as it handles in a
    tenth of a second, at least `concurrency` and one `batch`. `start`: "now", or "first" for what is still kept.
    `lease`: how long an event may stay unheard of before another member gets it; default 30 s. `batch`: at most that
    many events in one call, for a parameter that takes a list. `effects`: True, or `Effects(keep=...)`, for a handler
    that is never called again for an event that it has completed (the effect ledger); `SqlEffects(...)`, for one
    whose effect is in a database of yours. `rate`: how often the handler may begin, over all members of its group,
    such as "100/s" or "30/m"; default no limit.
    """

    deliver: str = "once"
    group: str | None = None
    pick: Any = None
    member: str | None = None
    retry: Retries = None
    timeout: float | str | None = None
    ordered: bool = True
    concurrency: int | None = None
    prefetch: int | None = None
    start: Literal["now", "first"] = "now"
    lease: float | str = 30.0
    batch: int | None = None
    effects: Any = None
    rate: str | None = None


class Handler(msgspec.Struct, frozen=True, kw_only=True):
    """A handler as it was declared; `patterns` and `group` without the app's namespace.

    `join_s`: see `App.join`. `layers`: the middleware of its router.
    """

    function: Callable[..., Any]
    name: str
    group: str | None
    patterns: tuple[str, ...]
    classes: tuple[type, ...]
    signature: Signature
    mode: Mode
    pick: Pick | None
    member: str | None
    policies: tuple[Retry, ...]
    timeout_s: float | None
    ordered: bool
    concurrency: int
    prefetch: int | None
    start: Literal["now", "first"]
    lease_s: float
    batch: int
    join_s: float | None = None
    effects: Effects | EffectDatabase | None = None
    layers: Layers = NONE
    rate: Rate | None = None

    def spec(self, group: str, patterns: tuple[str, ...]) -> GroupSpec:
        """Return the declaration of the handler's group under its full name."""
        return GroupSpec(
            name=group,
            patterns=patterns,
            mode=self.mode,
            pick=self.pick.text if self.pick is not None else "",
            start=self.start,
            lease_s=self.lease_s,
            ordered=self.ordered,
        )


def make_handler(
    function: Callable[..., Any],
    sources: tuple[type | str, ...],
    topic_of: Callable[[type], str],
    options: Options,
    join_s: float | None = None,
    pick: Pick | None = None,
) -> Handler:
    """Return the handler for `function`; `topic_of` names the topic of an event class, `pick` is what was declared.

    Raises `InvalidHandler` or `InvalidArgument` with what was expected.
    """
    name = function_name(function)
    classes = tuple(source for source in sources if isinstance(source, type))
    signature = read_signature(function, name, classes)
    if not sources:
        classes = tuple({cls: None for found in signature.data.values() for cls in found if cls is not dict})
        sources = classes
    if not sources:
        raise InvalidHandler(
            f"handler {name} says nowhere what it is for",
            hint="name event classes or topics: @app.on(UserQuery), or annotate a parameter with an event class",
        )
    patterns = tuple(topic_of(source) if isinstance(source, type) else check_pattern(source) for source in sources)
    _check(signature, options, name, join_s)
    effects = effects_of(options.effects, name)
    if isinstance(effects, EffectDatabase):
        signature = lent(signature, effects.connection_type, name)
    return Handler(
        function=function,
        name=name,
        group=None if options.group is None else check_group(options.group),
        patterns=patterns,
        classes=classes,
        signature=signature,
        mode=mode_of(options.deliver),
        pick=pick,
        member=None if options.member is None else named_member(options.member),
        policies=policies_of(options.retry),
        timeout_s=None if options.timeout is None else _positive(options.timeout, f"timeout of {name}"),
        ordered=options.ordered,
        concurrency=options.concurrency or CONCURRENCY[signature.kind],
        prefetch=options.prefetch,
        start=options.start,
        lease_s=_positive(options.lease, f"lease of {name}"),
        batch=options.batch or 100,
        rate=None if options.rate is None else rate_of(options.rate, f"rate of {name}"),
        join_s=join_s,
        effects=effects,
    )


def function_name(function: Callable[..., Any]) -> str:
    """Return what to call a handler: the function's qualified name, without what it is defined in."""
    return str(getattr(function, "__qualname__", type(function).__qualname__)).rpartition("<locals>.")[2]


def _positive(value: float | str, what: str) -> float:
    found = seconds(value, what)
    if found == 0:
        raise InvalidArgument(f"{what}: expected more than 0 seconds")
    return found


def _check(signature: Signature, options: Options, name: str, join_s: float | None) -> None:
    if options.start not in ("now", "first"):
        raise InvalidArgument(f'start of {name}: expected "now" or "first", got {options.start!r}')
    if options.pick is not None and options.deliver == "all":
        raise InvalidHandler(f'handler {name}: deliver="all" gives each event to every member, there is none to pick')
    for what in ("concurrency", "prefetch", "batch"):
        value = getattr(options, what)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise InvalidArgument(f"{what} of {name}: expected a whole number of 1 or more, got {value!r}")
    if join_s is not None and options.effects:
        raise InvalidHandler(f"the join {name} is called once for its run already: leave out effects=")
    if options.batch is not None and not signature.batch:
        raise InvalidHandler(
            f"handler {name}: batch= needs a parameter that takes a list of events, such as list[Click]"
        )
    if join_s is None and len(signature.data) > 1:
        names = ", ".join(signature.data)
        raise InvalidHandler(
            f"handler {name} takes several events ({names}) in one call",
            hint="use @app.join to wait for one of each, or a union for one parameter that takes either",
        )
    if signature.batch and "stream" in signature.kind:
        raise InvalidHandler(f"handler {name}: a batch handler returns its outcomes as a list, it does not yield")

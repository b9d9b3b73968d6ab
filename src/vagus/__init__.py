"""vagus: the event backbone for AI systems. Start with `App`; the docs tell the rest.

Each name is imported when it is first used: a command, or a program that needs one name, does not wait for the others.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vagus.app.app import App
    from vagus.app.blocking.facade import SyncApp, SyncRun
    from vagus.app.dispatch.switch import Switched
    from vagus.app.effects.ledger import Effects
    from vagus.app.effects.outbox import Box, Outbox
    from vagus.app.effects.sqlite import SqlEffects
    from vagus.app.facts import ControlEvent, ErrorEvent, JoinTimeout, ThresholdCrossed
    from vagus.app.middleware.passage import Outgoing
    from vagus.app.publisher import Receipt
    from vagus.app.router import Router
    from vagus.app.run import Run, RunPart
    from vagus.app.stats import AppStats
    from vagus.app.steering.steering import Drained, Steered
    from vagus.app.trial.trial import Trial
    from vagus.app.work.context import Context
    from vagus.delivery.pick import Candidate, PickEvent
    from vagus.delivery.picks.lot import ByKey, Random
    from vagus.delivery.picks.match import ByLabel, When
    from vagus.delivery.picks.turn import LeastBusy, RoundRobin, Weighted
    from vagus.delivery.route import Routes, Rule
    from vagus.errors import VagusError
    from vagus.message import Event, Wire
    from vagus.reliability.retry import Drop, Reject, Retry, RetryLater

__version__ = "0.1.0"

__all__ = [
    "App",
    "AppStats",
    "Box",
    "ByKey",
    "ByLabel",
    "Candidate",
    "Context",
    "ControlEvent",
    "Drained",
    "Drop",
    "Effects",
    "ErrorEvent",
    "Event",
    "JoinTimeout",
    "LeastBusy",
    "Outbox",
    "Outgoing",
    "PickEvent",
    "Random",
    "Receipt",
    "Reject",
    "Retry",
    "RetryLater",
    "RoundRobin",
    "Router",
    "Routes",
    "Rule",
    "Run",
    "RunPart",
    "SqlEffects",
    "Steered",
    "Switched",
    "SyncApp",
    "SyncRun",
    "ThresholdCrossed",
    "Trial",
    "VagusError",
    "Weighted",
    "When",
    "Wire",
]

_PLACES = {
    "vagus.app.app": "App",
    "vagus.app.blocking.facade": "SyncApp SyncRun",
    "vagus.app.dispatch.switch": "Switched",
    "vagus.app.effects.ledger": "Effects",
    "vagus.app.effects.outbox": "Box Outbox",
    "vagus.app.effects.sqlite": "SqlEffects",
    "vagus.app.facts": "ControlEvent ErrorEvent JoinTimeout ThresholdCrossed",
    "vagus.app.middleware.passage": "Outgoing",
    "vagus.app.publisher": "Receipt",
    "vagus.app.router": "Router",
    "vagus.app.run": "Run RunPart",
    "vagus.app.stats": "AppStats",
    "vagus.app.steering.steering": "Drained Steered",
    "vagus.app.trial.trial": "Trial",
    "vagus.app.work.context": "Context",
    "vagus.delivery.pick": "Candidate PickEvent",
    "vagus.delivery.picks.lot": "ByKey Random",
    "vagus.delivery.picks.match": "ByLabel When",
    "vagus.delivery.picks.turn": "LeastBusy RoundRobin Weighted",
    "vagus.delivery.route": "Routes Rule",
    "vagus.errors": "VagusError",
    "vagus.message": "Event Wire",
    "vagus.reliability.retry": "Drop Reject Retry RetryLater",
}
"""Where the public names are, by module."""

_MODULE_OF = {name: module for module, names in _PLACES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(module), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""vagus: the event backbone for AI systems. Start with `App`; the docs tell the rest."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vagus.app.app import App
from vagus.app.blocking.facade import SyncApp, SyncRun
from vagus.app.dispatch.switch import Switched
from vagus.app.effects.ledger import Effects
from vagus.app.effects.outbox import Box, Outbox
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

if TYPE_CHECKING:
    from vagus.app.effects.sqlite import SqlEffects

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

_LATE = {"SqlEffects": "vagus.app.effects.sqlite"}
"""What brings a library that most apps never need, and is imported when it is first named."""


def __getattr__(name: str) -> Any:
    if name in _LATE:
        return getattr(import_module(_LATE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

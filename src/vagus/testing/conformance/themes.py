"""What the suite is about: one module per theme, each scenario a function whose name is a sentence."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

ROOT = "vagus.testing.conformance"

#: The modules of the suite, in the order in which they are run and reported.
THEMES = tuple(
    f"{ROOT}.{place}"
    for place in (
        "honesty",
        "incoming.publish",
        "incoming.naming",
        "incoming.bad_input",
        "incoming.dedupe",
        "incoming.delay",
        "incoming.bound",
        "outgoing.once",
        "outgoing.everyone",
        "outgoing.membership",
        "outgoing.waiting",
        "outgoing.credit",
        "outgoing.redelivery",
        "outgoing.retry",
        "outgoing.order",
        "outgoing.priority",
        "outgoing.switching",
        "outgoing.dispatching",
        "keeping.durable",
        "keeping.unit",
        "keeping.dead_letter",
        "keeping.redrive",
        "keeping.replay",
        "keeping.books",
        "keeping.store",
        "keeping.streams",
    )
)


def scenarios_of(module: ModuleType) -> dict[str, Callable[..., Any]]:
    """Return the scenarios of a theme, in the order in which they stand there."""
    return {name: value for name, value in vars(module).items() if name.startswith("test_")}


def theme_of(module: str) -> str:
    """Return the word by which reports call a theme."""
    return module.rpartition(".")[2].replace("_", " ")


def sentence_of(test: str) -> str:
    """Return the claim that a scenario's name makes; what stands in brackets is its case."""
    name, bracket, case = test.partition("[")
    return name.removeprefix("test_").replace("_", " ") + (f" ({case.rstrip(']')})" if bracket else "")

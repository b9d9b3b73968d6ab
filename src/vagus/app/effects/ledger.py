"""What a handler may say as `effects=`: how it is remembered that an event was handled."""

from __future__ import annotations

from typing import Any

import msgspec

from vagus.app.effects.database import EffectDatabase
from vagus.errors import InvalidArgument
from vagus.message.duration import seconds
from vagus.reliability.effects import KEEP_S


class Effects(msgspec.Struct, frozen=True, kw_only=True):
    """The effect ledger: an event that a handler has completed is never given to it again.

    `keep`: how long that is remembered, in seconds or as text ("30d"); default 7 days. It should be longer than any
    event may be published anew with the same id, or be handed out again. `effects=True` is `Effects()`.
    """

    keep: float | str = KEEP_S

    def __post_init__(self) -> None:
        if self.keep_s == 0:
            raise InvalidArgument("keep of effects: expected more than 0 seconds")

    @property
    def keep_s(self) -> float:
        """How long it is remembered, in seconds."""
        return seconds(self.keep, "keep of effects")


def effects_of(value: Any, name: str) -> Effects | EffectDatabase | None:
    """Return what `effects=` of the handler `name` means; None where nothing is recorded."""
    if value is None or value is False:
        return None
    if value is True:
        return Effects()
    if isinstance(value, Effects | EffectDatabase):
        return value
    raise InvalidArgument(
        f"effects of {name}: expected True, Effects(keep=...) or SqlEffects(...), got {value!r}",
        hint="@app.on(Charge, effects=True)",
    )

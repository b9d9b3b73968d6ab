"""How one unit is carried out over several backends: *what is new is stored before what is old is let go*.

The unit's home is the backend that it settles on. Puts for other backends are stored and confirmed first; then the
home is asked, once, for its own puts, the changes and the settles together. Where the state is kept in another place
than the home, all puts go first, then the changes, and the settles last. A crash between two steps leaves the delivery
unsettled: it is handed out again, and its outputs, whose ids follow from their cause, are stored once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from vagus.backend import Outcome, Put, PutOutcome, Settle, SettleOutcome, Token, Unit
from vagus.errors import InvalidArgument

_UNTRIED = PutOutcome("untried")


class Held(NamedTuple):
    """The token of a delivery, and the backend that gave it."""

    place: str
    token: Token


class Crossing:
    """One unit on its way: the steps that are left, and what became of each part so far."""

    def __init__(self, unit: Unit, place_of: Callable[[Put], str], state: str) -> None:
        self.unit = unit
        self._places = [place_of(put) for put in unit.puts]
        self._state = state
        self.home = self._home()
        self._puts: list[PutOutcome] = [_UNTRIED] * len(unit.puts)
        self._settles: Sequence[SettleOutcome] = ["untried"] * len(unit.settles)
        self._changes: Sequence[bool] = [False] * len(unit.changes)
        self.failed = False

    def _home(self) -> str:
        homes = {settle.token.place for settle in self.unit.settles}
        if len(homes) > 1:
            raise InvalidArgument(f"a unit settles on several backends: {', '.join(sorted(homes))}")
        if homes:
            return str(homes.pop())
        if self.unit.changes or not self._places:
            return self._state
        return self._places[0]

    @property
    def places(self) -> frozenset[str]:
        """All backends that the unit concerns."""
        return frozenset([self.home, *self._places, *([self._state] if self.unit.changes else ())])

    @property
    def apart(self) -> bool:
        """Whether the changes cannot join the settles."""
        return bool(self.unit.changes) and self._state != self.home

    # --- the steps, in their order -----------------------------------------------------------------------------------

    def away(self) -> dict[str, Unit]:
        """Return the first step: what each backend is to store before anything else happens."""
        found: dict[str, list[Put]] = {}
        for put, place in zip(self.unit.puts, self._places, strict=True):
            if self._is_away(place):
                found.setdefault(place, []).append(put)
        return {place: Unit(puts) for place, puts in found.items()}

    def kept(self) -> dict[str, Unit]:
        """Return the second step: the changes, where they cannot join the settles."""
        return {self._state: Unit(changes=self.unit.changes)} if self.apart else {}

    def last(self) -> dict[str, Unit]:
        """Return the last step: the settles, and what is at home with them."""
        puts = [put for put, place in zip(self.unit.puts, self._places, strict=True) if not self._is_away(place)]
        settles = [Settle(settle.token.token, settle.action) for settle in self.unit.settles]
        changes = () if self.apart else self.unit.changes
        return {self.home: Unit(puts, settles, changes)} if puts or settles or changes else {}

    def _is_away(self, place: str) -> bool:
        return self.apart or place != self.home

    # --- what became of them -----------------------------------------------------------------------------------------

    def told(self, place: str, unit: Unit, outcome: Outcome) -> None:
        """Take what a backend says of its part in a step."""
        self.failed = self.failed or not outcome.done
        if unit.puts:  # all of the unit's puts for one backend travel in one step
            mine = [index for index, where in enumerate(self._places) if where == place]
            for index, put in zip(mine, outcome.puts, strict=True):
                self._puts[index] = put
        if unit.settles:
            self._settles = outcome.settles
        if unit.changes:
            self._changes = outcome.changes

    def outcome(self) -> Outcome:
        """Return what became of the unit."""
        return Outcome(not self.failed, self._puts, self._settles, self._changes)

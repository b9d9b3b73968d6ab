"""How an app's URL, its routes and its `state=` become the one backend that it works on."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from vagus.app.routing.placement import Placement
from vagus.app.routing.routed import Routed
from vagus.app.routing.shadow import Shadow
from vagus.app.topics import Topics
from vagus.backend import Backend
from vagus.delivery.route import Policy, Routes, check_routes, parse_routes
from vagus.errors import InvalidArgument

RoutesLike: TypeAlias = Routes | Mapping[str, Any] | str | os.PathLike[str]
"""A policy, a mapping of the same shape, or the path of a TOML file."""

_STATE = "(state)"
"""What a place of the state is called that is no backend of the policy."""


class Setting(msgspec.Struct, frozen=True):
    """A policy as an app keeps it: the backend of the app itself may still be changed."""

    routes: Routes
    where: tuple[str, ...] = ()

    def policy(self, own_url: str) -> Policy:
        """Return the policy with the app's own backend."""
        return check_routes(self.routes, own_url, self.where)


def read_routes(given: RoutesLike | None) -> Setting | None:
    """Return the policy that an app was given, else the one in the file that `VAGUS_ROUTES` names; None for none.

    Raises InvalidArgument for a file that is not there, and for what `check_routes` refuses.
    """
    source = given if given is not None else os.environ.get("VAGUS_ROUTES") or None
    if source is None:
        return None
    if isinstance(source, Routes):
        setting = Setting(source)
    elif isinstance(source, Mapping):
        unknown = sorted(source.keys() - set(Routes.__struct_fields__))
        if unknown:
            expected = ", ".join(Routes.__struct_fields__)
            raise InvalidArgument(f"routes: there is no {unknown[0]!r}: expected {expected}")
        setting = Setting(Routes(**source))
    else:
        setting = _from_file(source)
    setting.policy("memory://")  # what is wrong with it is said now, whatever the app's own URL will be
    return setting


def _from_file(source: Any) -> Setting:
    try:
        path = Path(source)
        text = path.read_text(encoding="utf-8")
    except (OSError, TypeError, UnicodeDecodeError) as error:
        raise InvalidArgument(
            f"the routes {str(source)!r} cannot be read: {error}", hint="name a TOML file, or give a Routes"
        ) from error
    return Setting(*parse_routes(text, path.name))


def assemble(
    policy: Policy | None, own_url: str, state: str | None, topics: Topics, make: Callable[[str], Backend]
) -> Backend:
    """Return the backend of an app: that of its URL, or several of them as one.

    `state`: a URL, or the name of one of the policy's backends; default the backend where events go by default.
    """
    if policy is None and state is None:
        return make(own_url)
    found = policy or check_routes(Routes(), own_url)
    backends = {place.name: make(place.url) for place in found.used}
    at = found.default
    if state is not None:
        at = state if state in found.places else _STATE
        url = found.places[state].url if state in found.places else state
        if at not in backends:
            backends[at] = make(url)
    copies = dict.fromkeys(rule.shadow for _, rule in found.rules if rule.shadow is not None)
    shadows = {name: Shadow(name, make(found.places[name].url)) for name in copies}
    return Routed(backends, Placement(found, topics, at), shadows, named=state is not None)

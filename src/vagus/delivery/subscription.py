"""What a handler's subscription is called and how it delivers: names of groups and members, `once` or `all`."""

from __future__ import annotations

import re

from vagus.backend import Mode
from vagus.errors import InvalidArgument
from vagus.message.topic import GROUP_LENGTH, check_group

_NOT_A_WORD = re.compile(r"[^A-Za-z0-9_-]+")


def group_name(app: str, handler: str, group: str | None = None) -> str:
    """Return the group of a handler: `APP.FUNCTION`, or `group` where the user named it.

    `handler` is the function's qualified name; what stands before its last `<locals>` is dropped. Raises
    `InvalidTopic` for a name outside the grammar, such as that of a lambda, which needs a `group=`.
    """
    if group is not None:
        return check_group(group)
    return check_group(f"{check_group(app, what='app name')}.{handler.rpartition('<locals>.')[2]}")


def mode_of(deliver: str) -> Mode:
    """Return the delivery mode that a handler's `deliver=` means: each event to one member, or to every member.

    Raises `InvalidArgument` for anything but "once" and "all".
    """
    if deliver == "once":
        return "once"
    if deliver == "all":
        return "all"
    raise InvalidArgument(
        f'expected deliver="once" (each event is handled by one member) or "all" (by every member), got {deliver!r}'
    )


def member_name(host: str, pid: int, tag: str) -> str:
    """Return the name of an anonymous member: where it runs, and `tag` to tell it from others of that process.

    Characters of `host` that the grammar of names does not have become `-`; a long host loses its end.
    """
    tail = f"-{pid}-{_NOT_A_WORD.sub('-', tag)}"
    place = _NOT_A_WORD.sub("-", host) or "host"
    return check_group(place[: GROUP_LENGTH - len(tail)] + tail, what="member")


def named_member(name: str) -> str:
    """Return the name that the user gave a member (`member=`), which may be away and gets what it missed.

    Raises `InvalidTopic` for a name outside the grammar.
    """
    return check_group(name, what="member")

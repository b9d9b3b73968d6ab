"""What a topic, a pattern and a group may be called, and which topics a pattern means.

Grammar
    topic    = word *( "." word )              word = 1*( A-Z a-z 0-9 "_" "-" ), 200 characters at most
    reserved = "$" topic                       ours alone: `$dead.GROUP`, `$inbox.GROUP`
    pattern  = a topic in which any word may be `*` (one word) and the last may be `#` (zero or more words)
    group    = a topic of at most 120 characters, so that `$inbox.GROUP` under a namespace still fits

A pattern that starts with a wildcard never means a reserved topic: `#` is all of yours, not our book-keeping.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from vagus.errors import InvalidTopic

#: Longest topic or pattern, in characters: RabbitMQ's and Kafka's limits less room for a prefix of the backend's own.
TOPIC_LENGTH = 200
#: Longest group or member name, in characters.
GROUP_LENGTH = 120

DEAD = "$dead"
INBOX = "$inbox"

_WORDS = r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*"
_TOPIC = re.compile(_WORDS)
_RESERVED = re.compile(r"\$?" + _WORDS)
_PATTERN = re.compile(r"\$?(?:[A-Za-z0-9_-]+|\*)(?:\.(?:[A-Za-z0-9_-]+|\*))*(?:\.#)?|#")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_GRAMMAR = "words of letters, digits, '_' and '-', joined by dots"


def check_topic(name: str, *, reserved: bool = False) -> str:
    """Return `name` if it is a legal topic; with `reserved`, names of our own (`$dead.GROUP`) are legal too.

    Raises InvalidTopic, naming what was expected.
    """
    grammar = _RESERVED if reserved else _TOPIC
    if not _fits(grammar, name):
        raise _refusal("topic", name, f"{_GRAMMAR}, such as 'rag.user_query'{_dollar(name, reserved)}")
    if len(name) > TOPIC_LENGTH:
        raise _refusal("topic", name, f"at most {TOPIC_LENGTH} characters, not {len(name)}")
    return name


def check_pattern(pattern: str) -> str:
    """Return `pattern` if it is a legal pattern; a plain topic is one, and so is a reserved topic.

    Raises InvalidTopic, naming what was expected.
    """
    if not _fits(_PATTERN, pattern):
        expected = f"{_GRAMMAR}; '*' stands for one word, a last '#' for the rest, as in 'tenant.*.order.#'"
        raise _refusal("pattern", pattern, expected)
    if len(pattern) > TOPIC_LENGTH:
        raise _refusal("pattern", pattern, f"at most {TOPIC_LENGTH} characters, not {len(pattern)}")
    return pattern


def check_group(name: str, *, what: str = "group") -> str:
    """Return `name` if it is a legal name of a group (or of `what`: a member, an app, a namespace).

    Raises InvalidTopic, naming what was expected.
    """
    if not _fits(_TOPIC, name):
        raise _refusal(what, name, f"{_GRAMMAR}, such as 'shop.retrieve'")
    if len(name) > GROUP_LENGTH:
        raise _refusal(what, name, f"at most {GROUP_LENGTH} characters, not {len(name)}")
    return name


def is_pattern(name: str) -> bool:
    """Tell whether `name` has a wildcard word; a name without one means the topic of that name alone."""
    return "*" in name or "#" in name


def is_reserved(name: str) -> bool:
    """Tell whether `name` is a topic of our own, such as `$dead.GROUP`."""
    return name.startswith("$")


def dead_topic(group: str) -> str:
    """Return the topic that keeps the dead letters of `group`."""
    return f"{DEAD}.{group}"


def inbox_topic(group: str) -> str:
    """Return the topic that stands for the inbox of `group`, where a backend keeps one as a topic."""
    return f"{INBOX}.{group}"


def matches(pattern: str, topic: str) -> bool:
    """Tell whether `pattern` means `topic`. Compiled patterns are remembered; in a loop use `compile_pattern`."""
    return compile_pattern(pattern)(topic)


@lru_cache(maxsize=4096)
def compile_pattern(pattern: str) -> Callable[[str], bool]:
    """Return a function that tells whether a topic is meant by `pattern`.

    Raises InvalidTopic if the pattern is not legal.
    """
    check_pattern(pattern)
    if not is_pattern(pattern):
        return pattern.__eq__
    if pattern == "#":
        return _is_ours_not
    body, rest = (pattern[:-2], r"(?:\.[^.]+)*") if pattern.endswith(".#") else (pattern, "")
    words = (r"[^.$][^.]*" if word == "*" else re.escape(word) for word in body.split("."))
    expression = re.compile(r"\.".join(words) + rest)
    return lambda topic: expression.fullmatch(topic) is not None


def _is_ours_not(topic: str) -> bool:
    return not is_reserved(topic)


def qualify(namespace: str, name: str) -> str:
    """Return the topic, pattern or group `name` inside `namespace`; without a namespace, `name` itself.

    The `$word` of a reserved name stays in front: `$dead.g` in `t1` is `$dead.t1.g`.
    """
    if not namespace:
        return name
    if not is_reserved(name):
        return f"{namespace}.{name}"
    word, _, rest = name.partition(".")
    return f"{word}.{namespace}.{rest}"


def snake(name: str) -> str:
    """Return the dotted snake case of a qualified class name: `Rag.UserQuery` is `rag.user_query`.

    What stands before the last `<locals>` (the function that made the class) is dropped.
    """
    visible = name.rpartition("<locals>.")[2]
    return ".".join(_HUMP.sub("_", word).lower() for word in visible.split("."))


def _fits(grammar: re.Pattern[str], name: object) -> bool:
    return isinstance(name, str) and grammar.fullmatch(name) is not None


def _refusal(what: str, name: object, expected: str) -> InvalidTopic:
    shown = repr(name)
    shown = shown if len(shown) <= 80 else f"{shown[:80]}…"
    return InvalidTopic(f"{shown} is not a legal {what}: expected {expected}", name=name, expected=expected)


def _dollar(name: object, reserved: bool) -> str:
    if reserved or not isinstance(name, str) or not is_reserved(name):
        return ""
    return "; names that start with '$' are reserved"

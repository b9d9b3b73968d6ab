"""A small language of conditions on an event: `data.lang == 'zh' and data.score >= 0.5`; no code of it is ever run.

An expression is read once into functions of our own, so it can call nothing, reach no attribute of a Python object
and not loop. It has names of the event (`NAMES`), paths into its data (`data.user.lang`, `data["user"]`,
`data.tags[0]`), text, numbers, lists, `true`, `false`, `null`, comparisons, `in`, `not`, `and`, `or`. What is not there
is `null`; values that cannot be compared are not smaller, greater or in one another.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NoReturn, TypeAlias

from vagus.errors import InvalidArgument

MOST_CHARS: Final = 1_000
"""How long an expression may be."""

MOST_PARTS: Final = 200
"""How many names, values and operators an expression may have."""

NAMES: Final = (
    "data",
    "extensions",
    "generation",
    "id",
    "key",
    "priority",
    "run",
    "source",
    "subject",
    "time",
    "topic",
    "type",
)
"""What an expression may name: the event's data, other people's attributes, and what every event has."""

Lookup: TypeAlias = Callable[[str], Any]
"""Returns what an event has under one of `NAMES`."""

Value: TypeAlias = Callable[[Lookup], Any]

_WORDS: Final[dict[str, Any]] = {"true": True, "false": False, "null": None}
_COMPARISONS: Final[dict[type[ast.cmpop], Callable[[Any, Any], Any]]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
}


def compile_condition(text: str) -> Callable[[Lookup], bool]:
    """Return a function that says whether an event meets the condition.

    Raises `InvalidArgument` with the place and what was expected there.
    """
    value = _Reader(text).read()
    return lambda lookup: bool(value(lookup))


def compile_path(text: str) -> Value:
    """Return a function that finds what a path such as `data.user.lang` leads to in an event, None for nothing.

    Raises `InvalidArgument` for anything but a path.
    """
    return _Reader(text).read(path_only=True)


class _Reader:
    """Reads one expression."""

    def __init__(self, text: object) -> None:
        if not isinstance(text, str) or not text.strip():
            raise InvalidArgument(f"expected a condition such as data.lang == 'zh', got {text!r}")
        self._text = text.strip()

    def read(self, *, path_only: bool = False) -> Value:
        """Return the expression as a function."""
        if len(self._text) > MOST_CHARS:
            raise InvalidArgument(f"a condition has at most {MOST_CHARS} characters, this one {len(self._text)}")
        try:
            tree = ast.parse(self._text, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            why = getattr(error, "msg", "") or "it cannot be read"
            self._refuse(why, getattr(error, "offset", None) or 1)
        parts = sum(isinstance(node, ast.expr) for node in ast.walk(tree))
        if parts > MOST_PARTS:
            raise InvalidArgument(f"a condition has at most {MOST_PARTS} names and values, this one {parts}")
        if path_only and not isinstance(tree, ast.Name | ast.Attribute | ast.Subscript):
            self._refuse("expected a path such as data.user.lang", 1)
        return self._value(tree)

    def _refuse(self, why: str, column: int) -> NoReturn:
        line = self._text.replace("\n", " ")
        raise InvalidArgument(f"{why}, at column {column}", where=line, hint="such as: data.lang == 'zh'")

    def _value(self, node: ast.expr) -> Value:
        if isinstance(node, ast.Constant):
            return self._constant(node)
        if isinstance(node, ast.List | ast.Tuple):
            items = [self._value(item) for item in node.elts]
            return lambda lookup: [item(lookup) for item in items]
        if isinstance(node, ast.Name):
            return self._name(node)
        if isinstance(node, ast.Attribute | ast.Subscript):
            return self._step(node)
        if isinstance(node, ast.Compare):
            return self._comparison(node)
        if isinstance(node, ast.BoolOp):
            parts = [self._value(part) for part in node.values]
            if isinstance(node.op, ast.And):
                return lambda lookup: all(part(lookup) for part in parts)
            return lambda lookup: any(part(lookup) for part in parts)
        if isinstance(node, ast.UnaryOp):
            return self._unary(node)
        self._refuse("expected names, values, comparisons, and, or, not", node.col_offset + 1)

    def _constant(self, node: ast.Constant) -> Value:
        value = node.value
        if value is not None and not isinstance(value, str | int | float):
            self._refuse("expected text, a number, a list, true, false or null", node.col_offset + 1)
        return lambda lookup: value

    def _name(self, node: ast.Name) -> Value:
        name = node.id
        if name in _WORDS:
            word = _WORDS[name]
            return lambda lookup: word
        if name not in NAMES:
            self._refuse(f"an event has no {name!r}: expected one of {', '.join(NAMES)}", node.col_offset + 1)
        return lambda lookup: lookup(name)

    def _step(self, node: ast.Attribute | ast.Subscript) -> Value:
        if not isinstance(node.value, ast.Name | ast.Attribute | ast.Subscript):
            self._refuse("expected a path such as data.user.lang", node.col_offset + 1)
        inner = self._value(node.value)
        step = node.attr if isinstance(node, ast.Attribute) else self._index(node.slice)
        return lambda lookup: _below(inner(lookup), step)

    def _index(self, node: ast.expr) -> str | int:
        try:
            found = ast.literal_eval(node)
        except ValueError:
            found = None
        if not isinstance(found, str | int):
            self._refuse("expected a name or a whole number between the brackets", node.col_offset + 1)
        return found

    def _comparison(self, node: ast.Compare) -> Value:
        for op in node.ops:
            if type(op) not in _COMPARISONS:
                self._refuse("expected ==, !=, <, <=, >, >=, in or not in", node.col_offset + 1)
        compare = [_COMPARISONS[type(op)] for op in node.ops]
        values = [self._value(part) for part in (node.left, *node.comparators)]

        def compared(lookup: Lookup) -> bool:
            found = [value(lookup) for value in values]
            return all(_holds(op, a, b) for op, a, b in zip(compare, found, found[1:], strict=False))

        return compared

    def _unary(self, node: ast.UnaryOp) -> Value:
        inner = self._value(node.operand)
        if isinstance(node.op, ast.Not):
            return lambda lookup: not inner(lookup)
        number = node.operand.value if isinstance(node.operand, ast.Constant) else None
        if isinstance(node.op, ast.USub) and isinstance(number, int | float):
            negative = -number
            return lambda lookup: negative
        self._refuse("expected not, or a number", node.col_offset + 1)


def _below(value: Any, step: str | int) -> Any:
    """Return what lies one step further in a value of JSON, None for nothing."""
    if isinstance(value, Mapping):
        return value.get(step)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes) and isinstance(step, int):
        return value[step] if -len(value) <= step < len(value) else None
    return None


def _holds(compare: Callable[[Any, Any], Any], left: Any, right: Any) -> bool:
    try:
        return bool(compare(left, right))
    except TypeError:
        return False  # null < 3, "a" in null: neither, and no error for an event that lacks a field

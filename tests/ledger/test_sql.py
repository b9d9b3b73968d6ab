"""The arithmetic of the SQL text: places, columns, portions; the statements themselves are shown by the SQLite file."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vagus.backend import Put, Topic
from vagus.ledger.sql import tables, text
from vagus.ledger.sql.place import PLAIN, POSITION_BITS, POSITION_MASK, Extra, floor, lane_id, pack_extra, unpack_extra
from vagus.message import Envelope


@given(st.integers(1, 2**16), st.integers(0, 9), st.integers(1, POSITION_MASK))
def test_place_holds_log_lane_and_position(log: int, lane: int, position: int) -> None:
    place = floor(lane_id(log, lane)) | position
    assert floor(lane_id(log, lane)) < place < floor(lane_id(log, lane) + 1)
    assert (place >> POSITION_BITS, place & POSITION_MASK) == (lane_id(log, lane), position)


@pytest.mark.parametrize(
    ("put", "extra"),
    [
        (Put(Topic("t"), Envelope(b"x")), PLAIN),
        (Put(Topic("t"), Envelope(b"x"), generation=2), Extra(generation=2)),
        (Put(Topic("t"), Envelope(b"x"), entry="moved"), Extra(entry="moved")),
        (Put(Topic("t"), Envelope(b"x"), note=b"n"), Extra(note=b"n")),
        (Put(Topic("t"), Envelope(b"x", headers={"a": "b"})), Extra(headers={"a": "b"})),
        (Put(Topic("t"), Envelope(b"x", content_type="text/plain")), Extra(content_type="text/plain")),
    ],
)
def test_column_holds_what_is_unusual(put: Put, extra: Extra) -> None:
    column = pack_extra(put)
    assert (column is None) == (extra is PLAIN)
    assert unpack_extra(column) == extra


@given(st.integers(0, 3_000))
def test_portions_cover_all_rows_once(count: int) -> None:
    covered = [row for first, rows in text.portions(count) for row in range(first, first + rows)]
    assert covered == list(range(count))
    assert all(rows <= text.MANY and rows & (rows - 1) == 0 for _, rows in text.portions(count))


def test_many_rows_travel_in_few_statements() -> None:
    statements = list(text.row_statements("INSERT INTO x VALUES ", 2, list(range(10))))
    assert statements == [
        ("INSERT INTO x VALUES (?, ?), (?, ?), (?, ?), (?, ?)", [0, 1, 2, 3, 4, 5, 6, 7]),
        ("INSERT INTO x VALUES (?, ?)", [8, 9]),
    ]
    asked = list(text.list_statements("SELECT x WHERE a = ? AND b IN ", 7, ["p", "q", "r"]))
    assert asked == [
        ("SELECT x WHERE a = ? AND b IN (?, ?)", [7, "p", "q"]),
        ("SELECT x WHERE a = ? AND b IN (?)", [7, "r"]),
    ]


def statements() -> Iterator[str]:
    """Yield every statement of the text, those with many rows for two of them."""
    for name, found in vars(text).items():
        if name.endswith("_ROWS"):
            width = found.split("(")[1].count(",") + 1
            yield text.rows_of(found, width, 2)
        elif isinstance(found, str) and found.endswith(" IN "):
            yield text.list_of(found, 2)
        elif name.isupper() and name not in ("COUNTERS", "OWNED"):
            some = found.values() if isinstance(found, dict) else found if isinstance(found, tuple) else (found,)
            yield from (one for one in some if isinstance(one, str))


@pytest.mark.parametrize("statement", list(statements()))
def test_statement_fits_the_tables(statement: str) -> None:
    db = sqlite3.connect(":memory:")
    db.executescript(tables.LEDGER)
    for migration in tables.MIGRATIONS:
        db.executescript(migration)
    numbered = [int(number) for number in re.findall(r"\?(\d+)", statement)]
    values = [None] * max([statement.count("?") if not numbered else 0, *numbered])
    assert db.execute(f"EXPLAIN {statement}", values).fetchall()
    db.close()

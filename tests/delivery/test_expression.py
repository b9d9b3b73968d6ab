"""Conditions on events: what they mean, and that nothing of them is run."""

from __future__ import annotations

from typing import Any

import pytest

from tests.delivery.team import event
from vagus.delivery.expression import MOST_CHARS, NAMES, compile_condition, compile_path
from vagus.errors import InvalidArgument

DATA = {"lang": "zh", "score": 0.5, "tags": ["a", "b"], "user": {"name": "ann", "vip": True}, "none": None}


@pytest.mark.requirement("R20")
@pytest.mark.parametrize(
    ("text", "met"),
    [
        ("data.lang == 'zh'", True),
        ("data.lang != 'zh'", False),
        ("data['lang'] == \"zh\"", True),
        ("data.user.name == 'ann' and data.score >= 0.5", True),
        ("data.lang == 'en' or data.user.vip", True),
        ("not data.user.vip", False),
        ("0 < data.score < 1", True),
        ("0 < data.score > 1", False),
        ("data.score > -1", True),
        ("data.score <= 0.4", False),
        ("'b' in data.tags", True),
        ("'c' not in data.tags", True),
        ("data.lang in ['zh', 'ja']", True),
        ("data.lang in ('en', 'fr')", False),
        ("data.tags[0] == 'a'", True),
        ("data.tags[-1] == 'b'", True),
        ("data.tags[7] == null", True),
        ("data.lang[0] == null", True),
        ("data.tags.name == null", True),
        ("data.missing == null", True),
        ("data.missing.deeper == None", True),
        ("data.missing < 3", False),
        ("'a' in data.missing", False),
        ("data.none != null", False),
        ("data.user.vip == true", True),
        ("data.user.vip == false", False),
        ("data.__class__ == null", True),
        ("type == 'query' and key == 'k' and generation == 2", True),
        ("run == 'e1'", True),
        ("true", True),
    ],
)
def test_condition_means_what_it_says(text: str, met: bool) -> None:
    assert compile_condition(text)(event("k", DATA).get) is met


@pytest.mark.requirement("R20")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected a condition"),
        (7, "expected a condition"),
        ("data.lang = 'zh'", "at column"),
        ("dta.lang == 'zh'", "an event has no 'dta'.*at column 1"),
        ("data.lang == lang", "no 'lang'.*at column 14"),
        ("__import__('os').system('id')", "expected a path.*|expected names.*"),
        ("len(data.tags) > 1", "expected names, values, comparisons.*at column 1"),
        ("(lambda: 1)()", "expected names"),
        ("data.lang is 'zh'", "expected ==.*"),
        ("data[data.lang] == 1", "expected a name or a whole number between the brackets.*column 6"),
        ("data.tags[0:1] == 1", "expected a name or a whole number"),
        ("data.tags[True:] == 1", "expected a name or a whole number"),
        ("'zh'.lower == 1", "expected a path"),
        ("data.score + 1 > 2", "expected names"),
        ("-data.score > 2", "expected not, or a number"),
        ("~1 == 2", "expected not, or a number"),
        ("-'a' == 2", "expected not, or a number"),
        ("data.lang == b'zh'", "expected text"),
        ("data.lang == 1j", "expected text"),
        ("data.x == " + "1" * MOST_CHARS, "at most 1000 characters"),
        (f"id in [{','.join('1' * 240)}]", "at most 200 names"),
        ("(" * 300 + "1" + ")" * 300, "column|condition"),
        ("data.lang\0 == 1", "column 1"),
        ("data.lang == '\ud800'", "it cannot be read, at column 1"),
        ("data.tags[1.5] == 1", "expected a name or a whole number"),
    ],
)
def test_what_is_no_condition_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(InvalidArgument, match=said):
        compile_condition(text)


@pytest.mark.requirement("R20")
def test_path_finds_what_it_leads_to_and_is_nothing_else() -> None:
    assert compile_path("data.user.name")(event(data=DATA).get) == "ann"
    assert compile_path("type")(event().get) == "query"
    with pytest.raises(InvalidArgument, match="expected a path"):
        compile_path("data.lang == 'zh'")


@pytest.mark.requirement("R20")
def test_every_name_of_an_expression_is_there_in_an_event() -> None:
    found: dict[str, Any] = {name: event("k", {"a": 1}, subject="s1", time="t").get(name) for name in NAMES}

    assert found == {
        "data": {"a": 1},
        "extensions": {},
        "generation": 2,
        "id": "e1",
        "key": "k",
        "priority": None,
        "run": "e1",
        "source": "s",
        "subject": "s1",
        "time": "t",
        "topic": "query",
        "type": "query",
    }

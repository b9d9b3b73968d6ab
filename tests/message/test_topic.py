"""Topics, patterns and groups: what is legal, what they mean, what an error says."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vagus.errors import InvalidTopic
from vagus.message import (
    check_group,
    check_pattern,
    check_topic,
    compile_pattern,
    dead_topic,
    inbox_topic,
    is_pattern,
    is_reserved,
    matches,
    qualify,
    snake,
)

WORD = st.from_regex(r"[A-Za-z0-9_-]{1,6}", fullmatch=True)
TOPIC = st.lists(WORD, min_size=1, max_size=5).map(".".join)

THEIRS = [
    "custom_workflow_channel",
    "llama_deploy.control_plane",
    "llama_deploy.agentic_workflow",
    "kotaemon_events",
    "kotaemon-dialog-events",
    "rag-traces",
    "task_queue",
]


@pytest.mark.requirement("R132")
@pytest.mark.parametrize("name", THEIRS)
def test_names_of_other_projects_are_legal_topics(name: str) -> None:
    assert check_topic(name) == check_group(name) == check_pattern(name) == name


@pytest.mark.requirement("R132")
def test_their_tenant_pattern_is_legal_and_means_orders() -> None:
    pattern = check_pattern("tenant.*.order.#")

    assert matches(pattern, "tenant.a.order")
    assert matches(pattern, "tenant.a.order.paid.late")
    assert not matches(pattern, "tenant.a.b.order")


@pytest.mark.contract("G19")
@pytest.mark.parametrize(
    "name", ["", ".", "a.", ".a", "a..b", "a b", "a/b", "a*", "#", "中文", "$dead.g", "a\n", 7, None]
)
def test_an_illegal_topic_is_refused_by_name(name: str) -> None:
    with pytest.raises(InvalidTopic, match="is not a legal topic: expected words of letters") as caught:
        check_topic(name)

    assert caught.value.facts["name"] == name


def test_a_refused_reserved_name_says_it_is_reserved() -> None:
    with pytest.raises(InvalidTopic, match=r"start with '\$' are reserved"):
        check_topic("$dead.g")


def test_reserved_topics_are_legal_where_allowed() -> None:
    assert check_topic(dead_topic("shop.pay"), reserved=True) == "$dead.shop.pay"
    assert check_topic(inbox_topic("shop.pay"), reserved=True) == "$inbox.shop.pay"
    assert is_reserved("$dead.g")
    with pytest.raises(InvalidTopic, match="expected words"):
        check_topic("$", reserved=True)


@pytest.mark.parametrize(("check", "limit"), [(check_topic, 200), (check_pattern, 200), (check_group, 120)])
def test_names_over_the_length_limit_are_refused(check, limit: int) -> None:
    assert check("a" * limit)
    with pytest.raises(InvalidTopic, match=f"at most {limit} characters, not {limit + 1}"):
        check("a" * (limit + 1))


def test_an_endless_name_is_cut_short_in_the_error() -> None:
    with pytest.raises(InvalidTopic) as caught:
        check_topic("?" * 10_000)

    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("name", ["", "a.#.b", "#.a", "a*", "a.b#", "**", "a..*", "a b", 7])
def test_an_illegal_pattern_is_refused_by_name(name: str) -> None:
    with pytest.raises(InvalidTopic, match="is not a legal pattern: expected"):
        compile_pattern(name)


@pytest.mark.parametrize("name", ["", "a b", "$g", "*", 7])
def test_an_illegal_group_is_refused_by_what_it_is(name: str) -> None:
    with pytest.raises(InvalidTopic, match="is not a legal member: expected"):
        check_group(name, what="member")


@pytest.mark.parametrize(
    ("pattern", "topic", "meant"),
    [
        ("a.b", "a.b", True),
        ("a.b", "a.bc", False),
        ("a.b", "axb", False),
        ("*", "a", True),
        ("*", "a.b", False),
        ("a.*", "a.b", True),
        ("a.*", "a", False),
        ("*.b", "a.b", True),
        ("a.#", "a", True),
        ("a.#", "a.b.c", True),
        ("a.#", "ab", False),
        ("#", "a.b", True),
        ("#", "$dead.g", False),
        ("*.g", "$dead.g", False),
        ("$dead.*", "$dead.g", True),
        ("$dead.#", "$dead.g.h", True),
    ],
)
def test_a_pattern_means_exactly_its_topics(pattern: str, topic: str, meant: bool) -> None:
    assert matches(pattern, topic) is meant


def test_a_name_with_a_wildcard_is_called_a_pattern() -> None:
    assert is_pattern("a.*")
    assert is_pattern("#")
    assert not is_pattern("a.b")


@given(TOPIC, st.data())
def test_stars_for_words_and_hash_for_the_rest_still_match(topic: str, data: st.DataObject) -> None:
    words = topic.split(".")
    starred = [data.draw(st.sampled_from([word, "*"])) for word in words]
    kept = starred[: data.draw(st.integers(0, len(words)))]

    assert matches(".".join(starred), topic)
    assert matches(".".join([*kept, "#"]), topic)


@given(TOPIC, TOPIC)
def test_a_topic_as_a_pattern_means_only_itself(pattern: str, topic: str) -> None:
    assert matches(pattern, topic) == (pattern == topic)


@pytest.mark.parametrize(
    ("namespace", "name", "qualified"),
    [
        ("", "a.b", "a.b"),
        ("t1", "a.b", "t1.a.b"),
        ("t1", "a.#", "t1.a.#"),
        ("t1", "$dead.g", "$dead.t1.g"),
        ("t1.x", "$inbox.g.h", "$inbox.t1.x.g.h"),
    ],
)
def test_a_namespace_goes_before_the_words_of_a_name(namespace: str, name: str, qualified: str) -> None:
    assert qualify(namespace, name) == qualified


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("UserQuery", "user_query"),
        ("Rag.UserQuery", "rag.user_query"),
        ("make.<locals>.UserQuery", "user_query"),
        ("f.<locals>.g.<locals>.Rag.Query", "rag.query"),
        ("HTTPError", "http_error"),
        ("LLMCall2Done", "llm_call2_done"),
        ("already_snake", "already_snake"),
    ],
)
def test_snake_case_keeps_dots_and_drops_functions(name: str, words: str) -> None:
    assert snake(name) == words


@given(st.text(max_size=40))
def test_whatever_is_accepted_fits_the_grammar(name: str) -> None:
    try:
        check_topic(name)
    except InvalidTopic:
        assert not re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", name)
    else:
        assert name.isascii()
        assert "" not in name.split(".")

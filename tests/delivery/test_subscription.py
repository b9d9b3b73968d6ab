"""Names of groups and members, and what `deliver=` means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vagus.delivery.subscription import group_name, member_name, mode_of, named_member
from vagus.errors import InvalidArgument, InvalidTopic


@pytest.mark.parametrize(
    ("handler", "group", "name"),
    [
        ("retrieve", None, "rag.retrieve"),
        ("Search.retrieve", None, "rag.Search.retrieve"),
        ("build.<locals>.retrieve", None, "rag.retrieve"),
        ("<lambda>", "mine", "mine"),
    ],
)
def test_a_group_is_the_app_and_the_function_unless_named(handler: str, group: str | None, name: str) -> None:
    assert group_name("rag", handler, group) == name


@pytest.mark.contract("G19")
@pytest.mark.parametrize(
    ("app", "handler", "group", "what"),
    [
        ("rag", "<lambda>", None, "group"),
        ("my app", "retrieve", None, "app name"),
        ("rag", "retrieve", "a b", "group"),
        ("rag", "r" * 120, None, "group"),
    ],
)
def test_a_name_outside_the_grammar_is_refused(app: str, handler: str, group: str | None, what: str) -> None:
    with pytest.raises(InvalidTopic, match=f"legal {what}"):
        group_name(app, handler, group)


def test_deliver_means_one_of_two_modes() -> None:
    assert [mode_of("once"), mode_of("all")] == ["once", "all"]


@pytest.mark.contract("G19")
def test_any_other_mode_is_refused_with_both_named() -> None:
    with pytest.raises(InvalidArgument, match=r"once.*all.*'many'"):
        mode_of("many")


def test_a_member_is_named_after_its_place() -> None:
    assert member_name("web-1.local", 42, "a7") == "web-1-local-42-a7"


@given(host=st.text(), pid=st.integers(0, 2**31), tag=st.text(max_size=20))
def test_any_host_gives_a_legal_member_name(host: str, pid: int, tag: str) -> None:
    name = member_name(host, pid, tag)

    assert named_member(name) == name


def test_an_illegal_member_name_is_refused() -> None:
    with pytest.raises(InvalidTopic, match="legal member"):
        named_member("a/b")

"""Headers of binary mode: names, percent-encoding, and the forms of other bindings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vagus.message import CloudEvent
from vagus.message.headers import decode_value, encode_value, from_headers, is_binary, to_headers

EVENT = CloudEvent(id="1", source="app/x", type="a.b", subject='退货 "50%"', vagushops=3, vaguspriority=0, vagusrun="")


@given(st.text(st.characters(codec="utf-8")))
def test_any_text_travels_as_plain_ascii_and_back(text: str) -> None:
    written = encode_value(text)

    assert all("!" <= character <= "~" and character != '"' for character in written)
    assert decode_value(written) == text


@pytest.mark.parametrize(
    ("text", "written"),
    [("Euro € 😀", "Euro%20%E2%82%AC%20%F0%9F%98%80"), ("a/b:c=d", "a/b:c=d"), ('"', "%22"), ("100%", "100%25")],
)
def test_values_are_percent_encoded_as_the_binding_says(text: str, written: str) -> None:
    assert encode_value(text) == written


@pytest.mark.parametrize(
    ("written", "text"),
    [('"a b"', "a b"), (r'"a\"b%20c"', 'a"b c'), ('"', '"'), ("%zz%", "%zz%"), ("%ff", "\ufffd"), ("", "")],
)
def test_quoted_and_broken_values_are_still_read(written: str, text: str) -> None:
    assert decode_value(written) == text


def test_absent_attributes_leave_no_header() -> None:
    assert to_headers(EVENT) == {
        "ce-specversion": "1.0",
        "ce-id": "1",
        "ce-source": "app/x",
        "ce-type": "a.b",
        "ce-subject": "%E9%80%80%E8%B4%A7%20%2250%25%22",
        "ce-vagushops": "3",
        "ce-vaguspriority": "0",
        "ce-vagusrun": "",
    }


def test_headers_read_back_to_the_same_attributes() -> None:
    found = from_headers({**to_headers(EVENT), "traceparent": "not ours", "CE-Comexampleown": "x%20y"})

    assert found["subject"] == EVENT.subject
    assert found["comexampleown"] == "x y"
    assert "traceparent" not in found


@pytest.mark.parametrize("prefix", ["ce_", "CE_", "cloudEvents:", "cloudEvents_"])
def test_names_of_kafka_and_amqp_bindings_are_read_plain(prefix: str) -> None:
    headers = {f"{prefix}specversion": "1.0", f"{prefix}id": "50%25"}

    assert is_binary(headers)
    assert from_headers(headers) == {"specversion": "1.0", "id": "50%25"}


@pytest.mark.parametrize("headers", [None, {}, {"ce-id": "1"}, {"x-specversion": "1.0"}])
def test_headers_without_a_version_are_not_binary(headers: dict[str, str] | None) -> None:
    assert not is_binary(headers)

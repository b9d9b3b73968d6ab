"""How a trace is written down: the `traceparent` text of W3C Trace Context (section 3.2); spans are made elsewhere."""

from __future__ import annotations

import re
from hashlib import blake2b

import msgspec

#: How many random bits the functions here use; more are ignored.
TRACE_BITS = 192

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
# What nearly every parent looks like: a child of it is two cuts and a new span.
_USUAL = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[01]")
_TRACE_MASK = (1 << 128) - 1
_SPAN_MASK = (1 << 64) - 1
_NO_TRACE = "0" * 32
_NO_SPAN = "0" * 16


class Traceparent(msgspec.Struct, frozen=True):
    """A valid traceparent, taken apart."""

    trace_id: str
    span_id: str
    sampled: bool


def new_traceparent(random: int) -> str:
    """Return a traceparent that starts a new, sampled trace; `random` is at least 192 random bits."""
    # An id of zeros is forbidden; 1 stands in for it.
    return f"00-{random >> 64 & _TRACE_MASK or 1:032x}-{random & _SPAN_MASK or 1:016x}-01"


def child_traceparent(parent: str | None, random: int) -> str:
    """Return a traceparent in the trace of `parent` with a span of its own; `random` is at least 192 random bits.

    Where the parent is missing or not valid, a new trace begins, as the standard asks (section 3.2.2).
    """
    if parent and _USUAL.fullmatch(parent):
        return f"{parent[:36]}{random & _SPAN_MASK or 1:016x}{parent[52:]}"
    found = parse_traceparent(parent)
    if found is None:
        return new_traceparent(random)
    return f"00-{found.trace_id}-{random & _SPAN_MASK or 1:016x}-{found.sampled:02x}"


def parse_traceparent(text: str | None) -> Traceparent | None:
    """Return the parts of a traceparent, or None where there is none or it is not valid."""
    found = _TRACEPARENT.fullmatch(text) if text else None
    if found is None:
        return None
    version, trace, span, flags, later = found.groups()
    # Version ff is forbidden, and version 00 ends after the flags; a later version may say more, which we skip.
    if version == "ff" or (version == "00" and later) or trace == _NO_TRACE or span == _NO_SPAN:
        return None
    return Traceparent(trace, span, bool(int(flags, 16) & 1))


def trace_id(traceparent: str | None) -> str | None:
    """Return the 32 hexadecimal digits of the trace, or None where the traceparent is missing or not valid."""
    found = parse_traceparent(traceparent)
    return found.trace_id if found else None


def foreign_traceparent(text: str) -> str:
    """Return a traceparent for another producer's trace id: a traceparent, a UUID, 32 digits, or any text.

    The same text always gives the same trace; text that is no trace id is hashed into one.
    """
    if parse_traceparent(text):
        return text
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=24).hexdigest()
    plain = text.replace("-", "").lower()
    kept = plain if re.fullmatch(r"[0-9a-f]{32}", plain) and plain != _NO_TRACE else digest[:32]
    return f"00-{kept}-{digest[32:]}-01"

"""The events of the suite: each carries one word, by which tests know it again."""

from __future__ import annotations

import json

from vagus.message import Envelope

SOURCE = "/vagus/conformance"


def envelope(word: str) -> Envelope:
    """Return a structured event that carries `word`, in an envelope."""
    document = {"specversion": "1.0", "id": word, "source": SOURCE, "type": "conformance.word", "data": word}
    return Envelope(json.dumps(document, ensure_ascii=False).encode())


def word_of(envelope: Envelope) -> str:
    """Return the word that an envelope carries; of foreign bytes, what can be shown of them."""
    try:
        return str(json.loads(envelope.body)["data"])
    except (ValueError, KeyError, TypeError):
        return repr(envelope.body[:40])

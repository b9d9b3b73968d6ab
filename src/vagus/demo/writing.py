"""How an answer is written from what was found: by quoting, word by word, or by a model that is given the quotes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from vagus.demo.corpus import Quote

QUOTES = 2
"""How many sentences an answer quotes at most."""

_NEARLY = 0.75
_PIECE = re.compile(r"[\u3000-\u303f\u3400-\u9fff\uf900-\ufaff\uff00-\uffef]|[^\s\u3000-\u9fff\uf900-\uffef]+\s*|\s+")
_CHINESE = re.compile("[\u3400-\u9fff]")


def best(found: Iterable[Quote]) -> list[Quote]:
    """Return the best quotes of both corpora: the first, and what fits nearly as well."""
    worst_first = sorted(found, key=lambda quote: quote.score)
    ranked = sorted({quote.text: quote for quote in worst_first}.values(), key=lambda quote: -quote.score)
    return [quote for quote in ranked[:QUOTES] if quote.score >= _NEARLY * ranked[0].score]


def extract(question: str, quotes: Sequence[Quote]) -> str:
    """Return an answer made of quotes alone, each verbatim and with its source."""
    if quotes:
        return "\n".join(f"“{quote.text}” [{quote.source}]" for quote in quotes)
    if _CHINESE.search(question):
        return "两个资料库里都没有找到相关内容。"
    return "Neither corpus has anything about that."


def pieces(text: str) -> list[str]:
    """Return the words of a text, each with the space behind it; a Chinese character is a word."""
    return _PIECE.findall(text)


def prompt(question: str, quotes: Sequence[Quote]) -> list[dict[str, str]]:
    """Return the messages that ask a model for an answer from these quotes alone."""
    sources = "\n".join(f"[{quote.source}] {quote.text}" for quote in quotes) or "(nothing was found)"
    system = (
        "Answer the question in its own language, in at most three sentences, from these sources alone. "
        "Quote the sentence that you rely on, and name its source in square brackets.\n\n" + sources
    )
    return [{"role": "system", "content": system}, {"role": "user", "content": question}]

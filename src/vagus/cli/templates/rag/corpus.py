"""The pages that answers come from: paragraphs of Markdown files, found by the words of a question."""

import math
import re
from collections import Counter
from pathlib import Path

import msgspec

WORD = re.compile(r"[a-z0-9]+|[\u4e00-\u9fff]")
EVERYWHERE = "a an and are as at be by do does for from how in is it of on or the to was what when who why with"
COMMON = frozenset(WORD.findall(EVERYWHERE))


class Passage(msgspec.Struct):
    """A paragraph, and the page that it stands on."""

    page: str
    text: str


class Corpus:
    """All paragraphs below a folder, read once. Put a vector index in its place when there are many."""

    def __init__(self, folder: Path) -> None:
        self._passages = [
            Passage(path.name, " ".join(part.split()))
            for path in sorted(folder.glob("*.md"))
            for part in path.read_text(encoding="utf-8").split("\n\n")
            if part.strip() and not part.startswith("#")
        ]
        self._words = [Counter(words(passage.text)) for passage in self._passages]
        self._pages_with = Counter(word for found in self._words for word in found)

    def search(self, question: str, limit: int) -> list[Passage]:
        """Return what shares most words with the question; a rare word counts for more, and no word for nothing."""
        asked = set(words(question))
        scores = [sum(self._weight(word) for word in asked & found.keys()) for found in self._words]
        best = sorted(range(len(scores)), key=lambda at: -scores[at])[:limit]
        return [self._passages[at] for at in best if scores[at] >= scores[best[0]] / 2 > 0]

    def _weight(self, word: str) -> float:
        return math.log(1 + len(self._passages) / self._pages_with[word])


def words(text: str) -> list[str]:
    """Return the words of a text, Chinese by the character, without those that are everywhere."""
    return [word for word in WORD.findall(text.lower()) if word not in COMMON]

"""The two corpora of the demo: Python's own reference and the project's pages, sentence by sentence, in SQLite's FTS5.

Chinese has no spaces, and FTS5's own tokenizer for it finds nothing under three characters. So each Chinese character
is indexed as a word of its own, and two neighbours in a question are asked for as a phrase.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from importlib import resources
from pathlib import Path
from pydoc_data.topics import topics as reference

import apsw
import msgspec

PYTHON = "python"
PAGES = "pages"

_SCHEMA = """
create virtual table if not exists sentence using fts5(
    words, title, corpus unindexed, source unindexed, quote unindexed, tokenize = 'porter unicode61'
)
"""
_FIND = """
select quote, source, bm25(sentence, 1.0, 0.5) as score from sentence
where sentence match ? and corpus = ? order by score, rowid limit ?
"""

_CHINESE = "\u3400-\u9fff\uf900-\ufaff"
_CHARACTER = re.compile(f"([{_CHINESE}])")
_RUN = re.compile(f"[{_CHINESE}]+")
_WORD = re.compile(r"[^\W_]+(?:_[^\W_]+)*")
_SENTENCE_END = re.compile(r"(?<=[.!?:])\s+(?=[A-Z\"“(`*])|(?<=[。！？])\s*")
_BLANK_LINE = re.compile(r"\n\s*\n")
_MARK = re.compile(r"^\s*(?:[-*] |\d+\. |> )")
_HEADING = re.compile(r"^#+\s+(.*)$")
_ENDS = tuple(".!?:。！？")
_FEWEST_WORDS = 4

_STOP = frozenset(
    _WORD.findall(
        "a an and are as at be by can do does for from has have how i in is it its me my of on or that the there this "
        "to was were what when where which who why will with you your about tell explain"
    )
)
_CHINESE_STOP = re.compile(
    "什么|怎么|怎样|为何|如何|哪个|哪些|多少|时候|请问|一个|[的了吗呢吧是在和与有会被把也都就这那我你它个]"
)


class Quote(msgspec.Struct, frozen=True):
    """A sentence as it stands in its source, and how well it fits the question (higher is better)."""

    text: str
    source: str
    score: float


class PoisonPage(Exception):
    """A page that cannot be indexed, however often it is tried."""


class Corpus:
    """The index, in a file that several processes read and one writes."""

    def __init__(self, path: str | Path) -> None:
        self._path = str(path)
        self._open: apsw.Connection | None = None

    @property
    def _db(self) -> apsw.Connection:
        if self._open is None:
            self._open = apsw.Connection(self._path)
            self._open.set_busy_timeout(2_000)
        return self._open

    def build(self) -> None:
        """Index both corpora; a file that has them already is left as it is."""
        with self._db as db:
            db.execute(_SCHEMA)
            if db.execute("select 1 from sentence limit 1").fetchone():
                return
            for title, text in reference.items():
                self._insert(PYTHON, f"Python reference: {title}", title, paragraphs(text))
            for name, text in own_pages():
                self._add(name, text)

    def add(self, name: str, text: str) -> int:
        """Index a page under its name, in place of an older one; return how many sentences it has.

        Raises PoisonPage for one that is no text, or that has no sentence.
        """
        count = 0
        with self._db as db:
            db.execute("delete from sentence where corpus = ? and source = ?", (PAGES, name))
            count = self._add(name, text)
        return count

    def _add(self, name: str, text: str) -> int:
        if "\0" in text:
            raise PoisonPage(f"{name} is not text: it has a zero byte")
        found = sum(self._insert(PAGES, name, title, lines) for title, lines in sections(text))
        if not found:
            raise PoisonPage(f"{name} has no sentence to quote")
        return found

    def _insert(self, corpus: str, source: str, title: str, lines: Iterable[str]) -> int:
        rows = [(spaced(q), spaced(title), corpus, source, q) for line in lines for q in sentences(line)]
        self._db.executemany("insert into sentence values (?, ?, ?, ?, ?)", rows)
        return len(rows)

    def find(self, question: str, corpus: str, limit: int = 3) -> list[Quote]:
        """Return the sentences of one corpus that fit a question best, best first."""
        asked = query(question)
        if not asked:
            return []
        rows = self._db.execute(_FIND, (asked, corpus, limit))
        return [Quote(str(quote), str(source), round(-float(str(score)), 3)) for quote, source, score in rows]


# --- text to sentences ---------------------------------------------------------------------------------------------


def own_pages() -> Iterator[tuple[str, str]]:
    """Yield the name and text of the pages that are shipped with the package."""
    folder = resources.files("vagus.demo") / "pages"
    for page in sorted(folder.iterdir(), key=lambda page: page.name):
        yield page.name, page.read_text(encoding="utf-8")


def sections(text: str) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield the title and the paragraphs of each section of a Markdown page."""
    title, lines = "", list[str]()
    for line in text.splitlines():
        heading = _HEADING.match(line)
        if heading:
            yield title, paragraphs("\n".join(lines))
            title, lines = heading[1], []
        else:
            lines.append(f"\n{_MARK.sub('', line)}" if _MARK.match(line) else line)
    yield title, paragraphs("\n".join(lines))


def paragraphs(text: str) -> list[str]:
    """Return the paragraphs of a text, each as one line; grammar rules and rulers are left out."""
    found = (" ".join(part.split()) for part in _BLANK_LINE.split(text))
    return [line for line in found if line and "::=" not in line and "****" not in line and "====" not in line]


def sentences(line: str) -> Iterator[str]:
    """Yield the whole sentences of a paragraph; what is too short to say anything is left out."""
    for part in _SENTENCE_END.split(line):
        sentence = part.strip()
        if sentence.endswith(_ENDS) and len(spaced(sentence).split()) >= _FEWEST_WORDS:
            yield sentence


# --- text to words -------------------------------------------------------------------------------------------------


def spaced(text: str) -> str:
    """Return `text` with spaces around each Chinese character, so that each is a word."""
    return _CHARACTER.sub(r" \1 ", text)


def query(question: str) -> str:
    """Return the FTS5 query for a question: any of its telling words, and any two Chinese neighbours as a phrase."""
    foreign = _WORD.findall(_RUN.sub(" ", question).lower())
    words = [word for word in foreign if word not in _STOP] or foreign
    for run in _RUN.findall(question):
        for part in _CHINESE_STOP.sub(" ", run).split():
            words += [f"{a} {b}" for a, b in itertools.pairwise(part)] or [part]
    return " OR ".join(f'"{word}"' for word in dict.fromkeys(words))

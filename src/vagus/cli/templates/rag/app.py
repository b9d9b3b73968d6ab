"""Answers questions from the pages in `corpus/`, with citations, word by word. Run it with `vagus dev app:app`."""

from pathlib import Path

from corpus import Corpus, Passage

from vagus import App, Context, Event

NOTHING = "The pages say nothing about that."

app = App("sqlite:///rag.db", name="rag")
app.provide(Corpus, Corpus(Path(__file__).with_name("corpus")))


class Question(Event, key="session"):
    """What somebody wants to know; the questions of one session are answered in order."""

    session: str
    text: str


class Passages(Event, key="session"):
    """What was found in the pages."""

    session: str
    question: str
    found: list[Passage]


class Answer(Event, final=True):
    """The whole answer; it ends the run."""

    text: str
    cited: list[str]


@app.on(Question, retry=3, timeout="30s")
async def retrieve(question: Question, corpus: Corpus) -> Passages:
    """Find the passages that share most with the question."""
    return Passages(question.session, question.text, corpus.search(question.text, limit=2))


@app.on(Passages, retry=3, timeout="60s")
async def answer(passages: Passages, ctx: Context) -> Answer:
    """Write the answer into the stream of the run, then publish it as a whole."""
    text = ""
    for word in write(passages):
        await ctx.emit(word)  # whoever reads the run sees it at once, and can join again after a cut
        text += word
    return Answer(text.strip(), [passage.page for passage in passages.found])


def write(passages: Passages) -> list[str]:
    """Quote what was found, word by word. Call your model here instead, with the passages in its prompt."""
    if not passages.found:
        return [NOTHING]
    quotes = (f"{passage.text} [{passage.page}]" for passage in passages.found)
    return [f"{word} " for quote in quotes for word in quote.split()]

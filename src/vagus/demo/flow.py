"""The demo's flow: events, and the handlers between them. `vagus demo` runs each in a process of its own.

user_query -> identify -> auth_success -+-> search_python ------> python_passages ------+
                                        +-> search_pages -------> page_passages --------+-> answer -> answer
                                        +-> fetch_order_status -> order_status_fetched -+
page_added -> index_page -> page_indexed
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from vagus import App, Context, ErrorEvent, Event, Retry
from vagus.demo.corpus import PAGES, PYTHON, Corpus, Quote
from vagus.demo.model import Model, model_of
from vagus.demo.writing import best, extract, pieces, prompt

LEASE_S = 2.0
"""How long a dead worker's event waits for another worker, in seconds."""

JOIN_S = 30.0
STUCK_AFTER = 5
"""After how many words the slow model hangs, where it was asked to."""

SLOW_S = 2.0 if "slow-model" in os.environ.get("VAGUS_DEMO_BREAK", "") else 120.0
"""How long an answer may take before it is tried again, in seconds."""

SOON = Retry(attempts=3, base_s=0.3, cap_s=1.0)


class UserQuery(Event, key="session"):
    session: str
    text: str
    trouble: str = ""


class AuthSuccess(Event, key="session"):
    session: str
    text: str
    user: str
    pid: int
    trouble: str = ""


class OrderStatusFetched(Event, key="session"):
    session: str
    order: str
    status: str
    pid: int


class PythonPassages(Event, key="session"):
    session: str
    quotes: list[Quote]
    pid: int


class PagePassages(Event, key="session"):
    session: str
    quotes: list[Quote]
    pid: int


class Answer(Event, key="session", final=True):
    session: str
    question: str
    text: str
    sources: list[str]
    order: str
    pid: int
    attempt: int
    losses: int


class PageAdded(Event, key="name"):
    name: str
    text: str


class PageIndexed(Event, key="name", final=True):
    name: str
    sentences: int
    pid: int


class Pace:
    """How fast a quoting answer is streamed: one word every `word_s` seconds."""

    def __init__(self, word_s: float) -> None:
        self.word_s = word_s


@asynccontextmanager
async def while_parent_lives(app: App) -> AsyncIterator[None]:
    """Stop the app when stdin ends: in a worker of the demo it is a pipe that `vagus demo` holds open."""
    if "VAGUS_DEMO_CHILD" not in os.environ:
        yield
        return
    loop = asyncio.get_running_loop()

    def look() -> None:
        if not os.read(sys.stdin.fileno(), 1024):
            loop.remove_reader(sys.stdin.fileno())
            app.stop()

    loop.add_reader(sys.stdin.fileno(), look)
    try:
        yield
    finally:
        loop.remove_reader(sys.stdin.fileno())


app = App(name="demo", grace_s=2.0, lifespan=while_parent_lives)
app.topic(ErrorEvent, keep="1h")
app.provide(Corpus, lambda: Corpus(os.environ.get("VAGUS_DEMO_CORPUS", "corpus.db")))
app.provide(Pace, lambda: Pace(float(os.environ.get("VAGUS_DEMO_PACE", "0.02"))))


@app.on(UserQuery, lease=LEASE_S, retry=SOON)
async def identify(query: UserQuery) -> AuthSuccess:
    """Say who asks."""
    return AuthSuccess(query.session, query.text, user="you", pid=os.getpid(), trouble=query.trouble)


@app.on(AuthSuccess, lease=LEASE_S, retry=SOON)
async def fetch_order_status(auth: AuthSuccess) -> OrderStatusFetched:
    """Look up what the user has ordered."""
    number = sum(auth.session.encode()) % 9_000 + 1_000
    status = ("packed", "on its way", "delivered")[number % 3]
    return OrderStatusFetched(auth.session, f"order {number}", status, pid=os.getpid())


@app.on(AuthSuccess, lease=LEASE_S, retry=SOON)
def search_python(auth: AuthSuccess, corpus: Corpus) -> PythonPassages:
    """Search Python's own reference."""
    return PythonPassages(auth.session, corpus.find(auth.text, PYTHON), pid=os.getpid())


@app.on(AuthSuccess, lease=LEASE_S, retry=SOON)
def search_pages(auth: AuthSuccess, corpus: Corpus) -> PagePassages:
    """Search the project's own pages, and those that were added."""
    return PagePassages(auth.session, corpus.find(auth.text, PAGES), pid=os.getpid())


@app.join(
    AuthSuccess,
    PythonPassages,
    PagePassages,
    OrderStatusFetched,
    timeout=JOIN_S,
    lease=LEASE_S,
    retry=SOON,
    group="demo.answer",
)
async def answer(
    auth: AuthSuccess,
    python: PythonPassages,
    pages: PagePassages,
    order: OrderStatusFetched,
    ctx: Context,
    pace: Pace,
) -> Answer:
    """Write the answer, streaming it word by word."""
    quotes = best([*python.quotes, *pages.quotes])
    stuck = auth.trouble == "slow-model" and ctx.attempt == 1
    written: list[str] = []
    async with asyncio.timeout(SLOW_S):
        async for piece in write(auth.text, quotes, pace, model_of()):
            await ctx.emit(piece)
            written.append(piece)
            if stuck and len(written) >= STUCK_AFTER:
                await asyncio.sleep(10 * SLOW_S)
    return Answer(
        session=auth.session,
        question=auth.text,
        text="".join(written),
        sources=list(dict.fromkeys(quote.source for quote in quotes)),
        order=f"{order.order}: {order.status}",
        pid=os.getpid(),
        attempt=ctx.attempt,
        losses=ctx.losses,
    )


async def write(question: str, quotes: list[Quote], pace: Pace, model: Model | None) -> AsyncIterator[str]:
    """Yield the pieces of an answer: the model's where there is one, else the words of the quotes."""
    if model is not None:
        async for piece in model.stream(prompt(question, quotes)):
            yield piece
        return
    for piece in pieces(extract(question, quotes)):
        yield piece
        await asyncio.sleep(pace.word_s)


@app.on(PageAdded, lease=LEASE_S, retry=SOON)
def index_page(page: PageAdded, corpus: Corpus) -> PageIndexed:
    """Put a page into the corpus."""
    return PageIndexed(page.name, corpus.add(page.name, page.text), pid=os.getpid())

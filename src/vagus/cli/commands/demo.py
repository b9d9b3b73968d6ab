"""`vagus demo`: a question, five processes, a cited answer, and what happens when one of them dies."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import click
import msgspec

from vagus.cli.output import style
from vagus.cli.target import must_be_shared
from vagus.demo.corpus import Corpus
from vagus.demo.crew import HANDLERS, Crew
from vagus.demo.flow import app
from vagus.demo.model import model_of
from vagus.demo.screen import EXAMPLES, Screen, screen_of
from vagus.demo.session import Session
from vagus.errors import mask_url
from vagus.registry import create_backend

BREAKS = ("kill-worker", "poison", "slow-model", "duplicate")


class Wanted(msgspec.Struct, frozen=True):
    """What the command line asks of a demo."""

    questions: Sequence[str]
    pages: Sequence[Path]
    breaks: Sequence[str]
    talks: bool
    pace_s: float


@click.command("demo")
@click.option("--ask", "questions", multiple=True, metavar="QUESTION", help="Ask this; repeat for several.")
@click.option(
    "--add",
    "pages",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Add this text file to the corpus first.",
)
@click.option("--break", "breaks", multiple=True, type=click.Choice(BREAKS), help="Break this in the first question.")
@click.option("--url", metavar="URL", help="The backend; default: a SQLite file that is removed at the end.")
@click.option("--pace", type=float, default=0.02, show_default=True, metavar="SECONDS", help="Time for each word.")
@click.option("--keep-running", is_flag=True, help="Go on asking after --ask, until q.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines.")
def command(
    questions: tuple[str, ...],
    pages: tuple[Path, ...],
    breaks: tuple[str, ...],
    url: str | None,
    pace: float,
    keep_running: bool,
    as_json: bool,
) -> int:
    """Ask questions and watch events flow to an answer.

    Each handler runs in a process of its own: kill one, and see that nothing is lost. The answers are quotes from
    Python's own reference and from the pages of vagus; with OPENAI_BASE_URL or OPENAI_API_KEY set, a model writes
    them. Without a terminal it asks its built-in questions. English and Chinese.
    """
    talks = keep_running or (not questions and sys.stdin.isatty() and sys.stdout.isatty() and not as_json)
    asked = questions or (() if talks else EXAMPLES)
    wanted = Wanted(asked, pages, breaks, talks, max(0.0, pace))
    screen = screen_of(as_json, style)
    folder = Path(tempfile.mkdtemp(prefix="vagus-demo-"))
    try:
        return asyncio.run(_demo(wanted, url or f"sqlite:///{folder}/demo.db", folder, screen))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _demo(wanted: Wanted, url: str, folder: Path, screen: Screen) -> int:
    model = model_of()
    screen.opening(mask_url(url), repr(model) if model else "quoted from the corpus, word for word")
    await _check(url)
    app.url = url
    corpus = folder / "corpus.db"
    settings = {
        "VAGUS_DEMO_CORPUS": str(corpus),
        "VAGUS_DEMO_PACE": str(wanted.pace_s),
        "VAGUS_DEMO_BREAK": ",".join(wanted.breaks),
    }
    async with Crew(folder, url, settings, screen) as crew:
        await crew.start(HANDLERS)
        Corpus(corpus).build()
        async with app:
            session = Session(app, crew, screen, wanted.breaks)
            return int(not await _play(session, wanted))


async def _check(url: str) -> None:
    """Refuse a backend that other processes cannot see before they are started."""
    backend = create_backend(url)
    try:
        must_be_shared(await backend.open(), url, "vagus demo")
    finally:
        await backend.close()


async def _play(session: Session, wanted: Wanted) -> bool:
    for page in wanted.pages:
        await session.add(page.name, await asyncio.to_thread(page.read_bytes))
    fine = True
    for question in wanted.questions:
        fine = await session.ask(question) and fine
    if wanted.talks:
        async for question in _typed():
            await session.ask(question)
    return await session.recovered() and fine


async def _typed() -> AsyncIterator[str]:
    """Yield what is typed, line by line; Enter alone stands for the next built-in question, q ends."""
    examples = itertools.cycle(EXAMPLES)
    async with _stdin_lines() as lines:
        while True:
            click.echo(f"\n{style('Ask', bold=True)} (Enter: an example, q: leave) > ", nl=False)
            line = (await lines.get() or "q\n").strip()
            if line in ("q", "quit", "exit"):
                return
            yield line or next(examples)


@asynccontextmanager
async def _stdin_lines() -> AsyncIterator[asyncio.Queue[str]]:
    """Give a queue of the lines that are typed, without blocking the loop; the end of input is an empty one."""
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str] = asyncio.Queue()
    loop.add_reader(sys.stdin.fileno(), lambda: lines.put_nowait(sys.stdin.readline()))
    try:
        yield lines
    finally:
        loop.remove_reader(sys.stdin.fileno())

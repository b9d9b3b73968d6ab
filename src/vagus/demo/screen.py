"""What the demo shows: lines and words for people, or JSON lines for programs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec


class Style(Protocol):
    """Gives text a look where there are colours."""

    def __call__(self, text: str, **look: Any) -> str:
        """Return `text` in that look."""


class Step(msgspec.Struct, frozen=True):
    """One event of a run: when it was published, in seconds after the first, its type, and the process it is from."""

    after_s: float
    type: str
    pid: int | None
    note: str = ""


class Answered(msgspec.Struct, frozen=True):
    """A question's end. `parts`: how many words the reader kept; `whole`: they are the answer, each once."""

    question: str
    text: str
    sources: list[str]
    order: str
    pid: int
    attempt: int
    losses: int
    parts: int
    restarts: int
    whole: bool
    first_word_s: float
    seconds: float


class Screen(Protocol):
    """What the demo has to say."""

    def opening(self, url: str, model: str) -> None:
        """The demo begins."""

    def worker_started(self, handler: str, pid: int, instead_of: int | None) -> None:
        """A worker was started."""

    def worker_died(self, handler: str, pid: int, how: str) -> None:
        """A worker died."""

    def question(self, text: str) -> None:
        """A question is asked."""

    def step(self, step: Step) -> None:
        """An event of the run was published."""

    def part(self, text: str, restarted: bool) -> None:
        """A word of the answer came; `restarted`: forget those before."""

    def answered(self, answer: Answered) -> None:
        """The answer is whole."""

    def note(self, topic: str, text: str) -> None:
        """Something was done or seen: a break on purpose, a recovery, a failure."""


class JsonScreen:
    """One JSON object a line, with its `kind`."""

    def _say(self, kind: str, **facts: object) -> None:
        sys.stdout.write(msgspec.json.encode({"kind": kind, **facts}).decode() + "\n")
        sys.stdout.flush()

    def opening(self, url: str, model: str) -> None:
        self._say("opening", url=url, model=model)

    def worker_started(self, handler: str, pid: int, instead_of: int | None) -> None:
        self._say("worker", handler=handler, pid=pid, instead_of=instead_of)

    def worker_died(self, handler: str, pid: int, how: str) -> None:
        self._say("died", handler=handler, pid=pid, how=how)

    def question(self, text: str) -> None:
        self._say("question", text=text)

    def step(self, step: Step) -> None:
        self._say("event", **msgspec.to_builtins(step))

    def part(self, text: str, restarted: bool) -> None:
        self._say("part", text=text, restarted=restarted)

    def answered(self, answer: Answered) -> None:
        self._say("answer", **msgspec.to_builtins(answer))

    def note(self, topic: str, text: str) -> None:
        self._say("note", topic=topic, text=text)


class TextScreen:
    """Lines of at most 80 columns, but for addresses and answers; words of an answer as they come."""

    def __init__(self, style: Style) -> None:
        self._style = style
        self._in_answer = False

    def _line(self, text: str = "") -> None:
        if self._in_answer:
            self._in_answer = False
            sys.stdout.write("\n")
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def opening(self, url: str, model: str) -> None:
        self._line(f"{self._style('vagus demo', bold=True)}: each handler in a process of its own, on {url}")
        self._line(f"answers: {model}")

    def worker_started(self, handler: str, pid: int, instead_of: int | None) -> None:
        again = f"  (instead of {instead_of})" if instead_of else ""
        self._line(self._style(f"  {handler:<22} pid {pid}{again}", dim=True))

    def worker_died(self, handler: str, pid: int, how: str) -> None:
        self._line(self._style(f"  {handler:<22} pid {pid} was lost: {how}", fg="red"))

    def question(self, text: str) -> None:
        self._line(f"\n{self._style('? ' + text, fg='cyan', bold=True)}")

    def step(self, step: Step) -> None:
        pid = f"pid {step.pid}" if step.pid else ""
        self._line(self._style(f"  {step.after_s:6.3f} s  {step.type:<22} {pid:<11} {step.note}".rstrip(), dim=True))

    def part(self, text: str, restarted: bool) -> None:
        if restarted:
            self._line(self._style("  the answer is written anew: what came before is dropped", fg="yellow"))
        self._in_answer = True
        sys.stdout.write(text)
        sys.stdout.flush()

    def answered(self, answer: Answered) -> None:
        again = f", attempt {answer.attempt}" if answer.attempt > 1 else ""
        again += f", {answer.losses} worker lost" if answer.losses else ""
        whole = "each word once" if answer.whole else "WORDS ARE MISSING OR DOUBLED"
        facts = f"{answer.seconds:.2f} s, {answer.parts} words, {whole}; pid {answer.pid}{again}; {answer.order}"
        self._line(self._style(f"  ({facts})", dim=answer.whole))

    def note(self, topic: str, text: str) -> None:
        self._line(f"  {self._style(topic, fg='yellow')}: {text}")


def screen_of(as_json: bool, style: Style) -> Screen:
    """Return what shows the demo."""
    return JsonScreen() if as_json else TextScreen(style)


EXAMPLES: Sequence[str] = (
    "When does an event become a dead letter?",
    "工作进程死掉以后，事件会丢失吗？",
    "What is an assert statement for?",
    "同一个键的事件按什么顺序处理？",
)
"""The built-in questions."""

"""Runs the code blocks of a Markdown page, top to bottom, in a folder of its own, as a reader would.

A block's info string says what to do with it. ```python blocks of a page share one namespace and may await at their
top level. ```bash, ```sh and ```console blocks run in bash; where lines begin with `$ `, those are the commands, and
the lines below each must occur in its output (`...` stands for anything). After the language may follow:
`file=NAME` writes the block to that file instead of running it (any language), `exit=N` is the exit code of the
block's last command, `skip="reason"` leaves the block out, seen and counted. What a command leaves in the background
with `&` is ended when the page ends.
"""

import json
import os
import re
import select
import shlex
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Self

COMMAND_S = 120.0  # how long one block or command may take
SHOWS_UP_S = 30.0  # how long to wait for what a background command should print
SHELLS = frozenset({"bash", "sh", "console", "shell"})
RUN = SHELLS | {"python"}

FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>```+)(?P<info>[^`]*)$")


class SnippetFailed(AssertionError):
    """A block of a page did not do what the page says."""


@dataclass(frozen=True)
class Snippet:
    """One fenced block: where it stands, its language, its `key=value` words, its text."""

    line: int
    language: str
    options: Mapping[str, str]
    text: str

    @property
    def skip(self) -> str:
        return self.options.get("skip", "")


@dataclass(frozen=True)
class Command:
    """One shell command and what its output must contain."""

    script: str
    expected: str = ""

    @property
    def stays(self) -> bool:
        """Whether it leaves something running behind."""
        return re.search(r"(?<![&>])&\s*$", self.script, re.MULTILINE) is not None


def snippets(text: str) -> Iterator[Snippet]:
    """The fenced blocks of a page that are to be run, written or left out; other languages are none of ours."""
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        fence = FENCE.match(lines[at])
        at += 1
        if not fence:
            continue
        begin = at
        while at < len(lines) and lines[at].strip() != fence["ticks"]:
            at += 1
        language, *words = shlex.split(fence["info"]) or [""]
        options = dict(word.partition("=")[::2] for word in words)
        at += 1
        if language in RUN or "file" in options:
            yield Snippet(begin, language, options, textwrap.dedent("\n".join(lines[begin : at - 1])) + "\n")


def commands(text: str) -> list[Command]:
    """The commands of a shell block: one for each `$ ` line, or the block as a whole where it has none."""
    if not re.search(r"^\$ ", text, re.MULTILINE):
        return [Command(text)]
    found = []
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        whole = re.match(r"(?:.*\\\n)*.*", part)
        script = whole[0] if whole else part
        found.append(Command(script, part[len(script) :].strip("\n")))
    return found


def occurs(expected: str, output: str) -> bool:
    """Whether `expected` stands in `output`: trailing blanks do not count, `...` stands for anything."""
    parts = [re.escape(part) for part in "\n".join(map(str.rstrip, expected.splitlines())).split("...")]
    return re.search(".*?".join(parts), "\n".join(map(str.rstrip, output.splitlines())), re.DOTALL) is not None


@dataclass
class Page:
    """The run of one page in `folder`; leave the context to end what the page left running."""

    name: str
    folder: Path
    left: list[int] = field(default_factory=list)
    python: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        (self.folder / ".home").mkdir(exist_ok=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.python:
            self.python.kill()
            self.python.communicate()
        for group in self.left:
            end(group)

    def run(self, snippet: Snippet) -> None:
        """Run or write one block. Raises SnippetFailed when it does not do what the page says."""
        if snippet.skip:
            return
        if name := snippet.options.get("file"):
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text(snippet.text, encoding="utf-8")
        elif snippet.language == "python":
            self.run_python(snippet)
        else:
            *first, last = commands(snippet.text)
            for command in first:
                self.run_command(snippet, command, 0)
            self.run_command(snippet, last, int(snippet.options.get("exit", "0")))

    def run_python(self, snippet: Snippet) -> None:
        """Hand a block to the page's interpreter; line numbers in tracebacks are those of the page."""
        self.python = self.python or self.interpreter()
        assert self.python.stdin is not None
        assert self.python.stdout is not None
        order = {"source": "\n" * snippet.line + snippet.text, "where": self.name}
        print(json.dumps(order), file=self.python.stdin, flush=True)
        ready, _, _ = select.select([self.python.stdout], [], [], COMMAND_S)
        answer = self.python.stdout.readline() if ready else json.dumps(f"no answer in {COMMAND_S:g} s")
        if problem := json.loads(answer or '"the interpreter died"'):
            raise SnippetFailed(f"{self.name}:{snippet.line}: python block failed\n{problem}")

    def run_command(self, snippet: Snippet, command: Command, code: int) -> None:
        """Run a shell command, and look for its exit code and its output."""
        where = f"{self.name}:{snippet.line}: $ {command.script.strip()}"
        log = self.folder / ".home" / f"output.{snippet.line}"
        with log.open("w+") as output:
            shell = self.shell(command, output)
            if command.stays:
                self.left.append(shell.pid)
            try:
                got = shell.wait(COMMAND_S)
            except subprocess.TimeoutExpired as slow:
                end(shell.pid)
                shell.wait()
                raise SnippetFailed(f"{where}\nstill running after {COMMAND_S:g} s:\n{log.read_text()}") from slow
        printed = self.printed(log, command)
        if got != code:
            raise SnippetFailed(f"{where}\nexit code {got}, expected {code}; it printed:\n{printed}")
        if not occurs(command.expected, printed):
            raise SnippetFailed(f"{where}\nexpected:\n{command.expected}\nbut it printed:\n{printed}")

    def printed(self, log: Path, command: Command) -> str:
        """What a command has printed; one that stays is given some time to print what is expected of it."""
        until = time.monotonic() + (SHOWS_UP_S if command.stays else 0)
        while True:
            text = log.read_text(encoding="utf-8", errors="replace")
            if occurs(command.expected, text) or time.monotonic() >= until:
                return text
            time.sleep(0.05)

    def shell(self, command: Command, output: IO[str]) -> subprocess.Popen[bytes]:
        """Start bash in a process group of its own, so that what it leaves behind can be ended by id."""
        script = f"set -eo pipefail\n{command.script}"
        return subprocess.Popen(
            ["bash", "-c", script],
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def interpreter(self) -> subprocess.Popen[str]:
        """Start the interpreter that the page's Python blocks share."""
        driver = Path(__file__).with_name("snippet_driver.py")
        return subprocess.Popen(
            [sys.executable, str(driver)],
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def environment(self) -> dict[str, str]:
        """A reader's environment: an empty home, our commands first on the path, no keys, no colours."""
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
        home = str(self.folder / ".home")
        return {"PATH": path, "HOME": home, "LANG": "C.UTF-8", "TERM": "dumb", "NO_COLOR": "1", "COLUMNS": "100"}


def end(group: int) -> None:
    """Kill a process group that this page started; one that is gone already is fine."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return

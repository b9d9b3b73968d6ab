"""Runs the suite on any URL and returns what it found: the work behind `vagus check URL`."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from vagus.backend import Capabilities
from vagus.errors import MissingDriver, mask_url
from vagus.registry import create_backend
from vagus.testing.conformance.themes import ROOT, THEMES, theme_of
from vagus.testing.conformance.verdict import Summary, Verdict, closing_line, theme_lines
from vagus.testing.subject import Subject
from vagus.testing.subjects import find_subject

_SETTINGS = """\
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
python_files = suite.py
"""


def run(
    url: str,
    *,
    only: str = "",
    every: bool = False,
    show: Callable[[str], object] | None = print,
    subject: Subject | None = None,
) -> Summary:
    """Hold the backend behind `url` to the contract; return a verdict on every scenario.

    `only`: pytest's `-k` expression over the names of scenarios. `show` is given lines of text while themes are
    finished, with `every` all sentences of them. `subject`: what the suite is told about the backend, else looked
    up by scheme. Takes about a minute, works under names of its own and removes them afterwards. Not to be called
    while an event loop runs in this thread.

    Raises `InvalidArgument` for an unknown scheme, `ConnectFailed` when the backend cannot be opened, and
    `MissingDriver` when pytest is not installed. Ctrl-C comes out as KeyboardInterrupt.
    """
    require_pytest()
    subject = subject or find_subject(url)
    started = time.monotonic()
    capabilities = asyncio.run(_ask(subject.url()))
    verdicts: list[Verdict] = []
    tell = _teller(verdicts, show, every) if show else verdicts.append
    _run_pytest(subject, tell, only)
    verdicts.sort(key=lambda verdict: _place(verdict.theme))
    if show and verdicts:
        theme = verdicts[-1].theme
        _show_theme(verdicts, theme, show, every)
    summary = Summary(mask_url(url), capabilities, tuple(verdicts), time.monotonic() - started)
    if show:
        show(closing_line(summary))
    return summary


def require_pytest() -> None:
    """Raise `MissingDriver` unless all that the suite stands on is installed."""
    for package in ("pytest", "pytest_asyncio"):
        try:
            import_module(package)
        except ModuleNotFoundError as missing:
            raise MissingDriver(
                f"the conformance suite needs the package {missing.name!r}, which is not installed",
                hint="pip install pytest pytest-asyncio pytest-timeout hypothesis",
            ) from missing


async def _ask(url: str) -> Capabilities:
    backend = create_backend(url)
    try:
        return await backend.open()
    finally:
        await backend.close()


def _teller(verdicts: list[Verdict], show: Callable[[str], object], every: bool) -> Callable[[Verdict], object]:
    """Return what writes a verdict down, and shows a theme when the first verdict of the next one comes."""

    def tell(verdict: Verdict) -> None:
        if verdicts and verdicts[-1].theme != verdict.theme:
            _show_theme(verdicts, verdicts[-1].theme, show, every)
        verdicts.append(verdict)

    return tell


def _show_theme(verdicts: list[Verdict], theme: str, show: Callable[[str], object], every: bool) -> None:
    for line in theme_lines(theme, [verdict for verdict in verdicts if verdict.theme == theme], every=every):
        show(line)


def _place(theme: str) -> int:
    themes = [theme_of(module) for module in THEMES]
    return themes.index(theme) if theme in themes else -1


def _run_pytest(subject: Subject, tell: Callable[[Verdict], object], only: str) -> None:
    pytest = import_module("pytest")
    observer = import_module(f"{ROOT}.observer").Observer(subject, tell)
    with tempfile.TemporaryDirectory() as folder, _alone():
        settings = Path(folder) / "pytest.ini"
        settings.write_text(_SETTINGS, encoding="utf-8")
        options = [f"--rootdir={folder}", "-c", str(settings), "--noconftest", "-s", "-k", only]
        plugins = ["-p", "no:terminal", "-p", "no:cacheprovider", "-p", "pytest_asyncio.plugin"]
        ended = pytest.main(["--pyargs", f"{ROOT}.suite", *options, *plugins], plugins=[observer])
    if ended == pytest.ExitCode.INTERRUPTED:
        raise KeyboardInterrupt  # what was not run was not shown
    if ended == pytest.ExitCode.INTERNAL_ERROR:
        raise RuntimeError("pytest failed within itself, before all scenarios were run; it says why above")


@contextmanager
def _alone() -> Iterator[None]:
    """Keep the settings and plugins of whoever's machine this is out of the run."""
    ours = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "", "PYTEST_PLUGINS": ""}
    before = {name: os.environ.get(name) for name in ours}
    path = list(sys.path)
    os.environ.update(ours)
    try:
        yield
    finally:
        sys.path[:] = path
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

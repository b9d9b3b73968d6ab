"""What `vagus dev` looks at, and how it shows what happens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from vagus.cli.dev.files import Files
from vagus.cli.dev.message import Failed, Handled, Missed, Stopped, Working
from vagus.cli.dev.screen import Lines, fitted


def changes(files: Files, folder: Path) -> list[str]:
    return [Path(name).relative_to(folder).as_posix() for name in files.changed()]


def test_changed_made_and_removed_python_files_are_found(tmp_path: Path) -> None:
    (tmp_path / "pkg").mkdir()
    for name in ("a.py", "pkg/b.py", "c.py"):
        (tmp_path / name).write_text("x = 1\n")
    files = Files([tmp_path])

    (tmp_path / "a.py").write_text("x = 22\n")
    (tmp_path / "c.py").unlink()
    (tmp_path / "pkg/new.py").write_text("")
    (tmp_path / "notes.txt").write_text("")

    assert changes(files, tmp_path) == ["a.py", "c.py", "pkg/new.py"]
    assert files.changed() == []


@pytest.mark.parametrize("folder", [".git", "__pycache__", "node_modules", "venv", "lib/site-packages"])
def test_folders_without_own_code_are_left_out(folder: str, tmp_path: Path) -> None:
    (tmp_path / folder).mkdir(parents=True)
    if folder == "venv":
        (tmp_path / "venv/pyvenv.cfg").touch()
    files = Files([tmp_path])

    (tmp_path / folder / "a.py").write_text("")

    assert files.changed() == []


def test_file_that_is_named_is_looked_at_whatever_it_is(tmp_path: Path) -> None:
    prompt = tmp_path / "prompt.md"
    prompt.write_text("Be brief.")
    files = Files([prompt])

    prompt.write_text("Be very brief.")

    assert changes(files, tmp_path) == ["prompt.md"]


@pytest.mark.parametrize("text", ["abc", "租约租约租约", "a租约", "x" * 50, ""])
def test_text_is_fitted_to_columns_of_a_terminal(text: str) -> None:
    for columns in (1, 5, 7):
        assert cell_len(fitted(text, columns)) == columns


def handled(**changes: Any) -> Handled:
    facts: dict[str, Any] = {"at": 0.0, "pid": 7, "topic": "rag.user_query", "key": "s1", "data": '{"text": "租约"}'}
    facts |= {"group": "shop.answer", "attempt": 1, "came": "acked", "ms": 12.4} | changes
    return Handled(**facts)


@pytest.mark.parametrize("columns", [80, 120])
def test_line_of_an_event_fits_the_terminal(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    Lines().told(handled(data='{"text": "' + "租约" * 100 + '"}', error="E: " + "x " * 200, outputs=("answer",)))

    event, outputs, error = capsys.readouterr().out.splitlines()

    assert cell_len(event) == columns
    assert event[9:].startswith('rag.user_query s1 {"text": "租约')
    assert event.rstrip().endswith("answer ok 12 ms")
    assert "…" in event
    assert outputs.strip() == "→ answer"
    assert cell_len(error) <= columns


@pytest.mark.parametrize(
    ("facts", "word"),
    [
        ({"attempt": 3}, "answer ok (attempt 3)"),
        ({"came": "retry", "after_s": 1.5, "error": "E: no"}, "answer retry in 1.5s"),
        ({"came": "dead"}, "answer dead"),
        ({"came": "handed back"}, "answer handed back"),
    ],
)
def test_line_says_what_an_attempt_came_to(
    facts: dict[str, Any], word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Lines().told(handled(**facts))

    assert f"{word} 12 ms" in capsys.readouterr().out


def test_lines_without_a_terminal_have_no_colour(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Lines()
    screen.working(Working(7, "shop", "memory://", ["shop.answer"], shared=False), None)
    screen.changed(["a.py", "b.py", "c.py", "d.py"])
    screen.failed(Failed(8, "it cannot be imported", "a.py:3", "mend a.py:3", "V101", 2, while_importing=True), 7)
    screen.in_turn(7, "it has a lifespan")
    screen.told(Missed(3))
    screen.told(Stopped(7, 5, 1, 2))
    screen.died(8, "ended with 1")

    out = capsys.readouterr().out

    assert "\x1b[" not in out
    for text in (
        "pid 7 works: app shop on memory://",
        "a reload forgets",
        "changed: a.py, b.py, c.py and 1 more",
        "error V101: it cannot be imported\n   in a.py:3\nhint: mend a.py:3\n",
        "pid 7 works on with the code from before",
        "3 events handled meanwhile, not shown",
        "pid 7 has ended: 5 handled, 1 failed, 2 handed back",
        "pid 8 ended with 1",
    ):
        assert text in out

"""The runner of docs' snippets does what it says, and catches a page that lies."""

import os
from pathlib import Path

import pytest

from tools.snippets import Page, SnippetFailed, commands, occurs, snippets


def run(text: str, folder: Path) -> None:
    with Page("page.md", folder) as page:
        for snippet in snippets(text):
            page.run(snippet)


def test_python_blocks_share_names_and_may_await(tmp_path: Path) -> None:
    page = """
```python
import asyncio
from pathlib import Path
ready = asyncio.Event()
```
Some words.
```python
ready.set()
await ready.wait()
Path("seen").write_text(str(ready.is_set()))
```
"""
    run(page, tmp_path)

    assert (tmp_path / "seen").read_text() == "True"


def test_failing_python_block_is_caught_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(SnippetFailed, match=r'page\.md", line 4[\s\S]*ZeroDivisionError'):
        run("words\n\n```python\n1 / 0\n```\n", tmp_path)


def test_written_file_can_be_run_by_a_command(tmp_path: Path) -> None:
    page = (
        '```python file=app/hello.py\nprint("你好", 40 + 2)\n```\n\n```console\n$ python app/hello.py\n你好 ...2\n```\n'
    )

    run(page, tmp_path)

    assert (tmp_path / "app/hello.py").exists()


def test_other_output_than_the_page_shows_is_caught(tmp_path: Path) -> None:
    with pytest.raises(SnippetFailed, match="expected:\nfour"):
        run("```console\n$ echo five\nfour\n```\n", tmp_path)


def test_failing_command_in_the_middle_is_caught(tmp_path: Path) -> None:
    with pytest.raises(SnippetFailed, match="exit code 1, expected 0"):
        run("```bash\nfalse\ntrue\n```\n", tmp_path)


def test_exit_code_that_a_page_announces_is_demanded(tmp_path: Path) -> None:
    run("```console exit=3\n$ true\n$ exit 3\n```\n", tmp_path)

    with pytest.raises(SnippetFailed, match="exit code 0, expected 3"):
        run("```console exit=3\n$ true\n```\n", tmp_path)


def test_background_command_is_ended_with_its_page(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    page = """
```console
$ (touch started; echo here; exec sleep 300) >pipe &
```
```sh
until [ -e started ]; do sleep 0.02; done
```
"""

    run(page, tmp_path)

    with open(reader, encoding="utf-8") as pipe:
        assert pipe.read() == "here\n"  # to its end: nobody holds the other side any more


def test_output_of_a_background_command_is_waited_for(tmp_path: Path) -> None:
    run("```console\n$ (sleep 0.2; echo ready; exec sleep 300) &\nready\n```\n", tmp_path)

    assert (tmp_path / ".home" / "output.1").read_text() == "ready\n"


def test_home_is_empty_and_our_commands_come_first(tmp_path: Path) -> None:
    run("```console\n$ ls -A $HOME | grep -v output || command -v python\n...bin/python\n```\n", tmp_path)

    assert (tmp_path / ".home").is_dir()


def test_skipped_and_foreign_blocks_do_not_run(tmp_path: Path) -> None:
    page = '```bash skip="needs a server"\ntouch no\n```\n```json\n{\n```\n```text\ntouch no\n```\n'

    run(page, tmp_path)

    assert [block.skip for block in snippets(page)] == ["needs a server"]
    assert not (tmp_path / "no").exists()


def test_block_inside_a_list_loses_its_indent() -> None:
    (block,) = snippets("1. first\n\n   ```python\n   if True:\n       x = 1\n   ```\n")

    assert block.text == "if True:\n    x = 1\n"


def test_commands_keep_continued_lines_together() -> None:
    first, second = commands("$ echo a \\\n  b\na b\n$ true\n")

    assert (first.script, first.expected) == ("echo a \\\n  b", "a b")
    assert (second.script, second.expected) == ("true", "")


@pytest.mark.parametrize(
    ("expected", "output", "found"),
    [("a ... c", "x\na b\nb c\n", True), ("", "anything", True), ("a\nc", "a\nb\nc", False), ("a.c", "abc", False)],
)
def test_dots_stand_for_anything_and_nothing_else_does(expected: str, output: str, found: bool) -> None:
    assert occurs(expected, output) is found

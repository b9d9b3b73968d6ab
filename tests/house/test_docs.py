"""Every snippet and command of README and docs does what its page says."""

from pathlib import Path

import pytest

from tools.markers import ROOT
from tools.snippets import Page, Snippet, snippets

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FOUND = {path.relative_to(ROOT).as_posix(): list(snippets(path.read_text(encoding="utf-8"))) for path in PAGES}
SKIPPED = [(page, snippet) for page, found in FOUND.items() for snippet in found if snippet.skip]
MOST_SKIPPED = 8


@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", [page for page, found in FOUND.items() if any(not snippet.skip for snippet in found)])
def test_every_block_of_a_page_runs_as_it_says(page: str, tmp_path: Path) -> None:
    blocks = FOUND[page]

    with Page(page, tmp_path) as run:
        for block in blocks:
            run.run(block)

    written = [block.options["file"] for block in blocks if "file" in block.options and not block.skip]
    assert all((tmp_path / name).exists() for name in written)


@pytest.mark.parametrize(("page", "block"), [pytest.param(*each, id=f"{each[0]}:{each[1].line}") for each in SKIPPED])
def test_block_that_is_left_out_is_seen_with_its_reason(page: str, block: Snippet) -> None:
    assert len(block.skip) > 5, f"{page}:{block.line}: skip needs a reason"

    pytest.skip(block.skip)


def test_few_blocks_are_left_out() -> None:
    assert len(SKIPPED) <= MOST_SKIPPED, [f"{page}:{block.line}: {block.skip}" for page, block in SKIPPED]

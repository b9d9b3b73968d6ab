"""Writes the generated pages of docs/ anew, or with --check tells which of them are out of date."""

import sys

from tools import commands_page, contract_page, errors_page, matrix_page, reference_page, requirements_page
from tools.markers import ROOT

MAKERS = (requirements_page, contract_page, errors_page, matrix_page, commands_page, reference_page)


def stale() -> dict[str, str]:
    """The pages whose text on disk is not what it should be today, with the text that they should have."""
    wanted = {maker.PATH: maker.render() for maker in MAKERS}
    return {
        path: text
        for path, text in wanted.items()
        if not (ROOT / path).exists() or (ROOT / path).read_text(encoding="utf-8") != text
    }


def main(arguments: list[str]) -> int:
    """Write what is stale; with --check, only name it and return 1."""
    check = arguments == ["--check"]
    try:
        pages = stale()
    except (requirements_page.UnknownNumber, contract_page.NoPlace) as problem:
        print(f"pages: {problem}", file=sys.stderr)
        return 1
    for path, text in pages.items():
        if check:
            print(f"pages: {path} is out of date; hint: make docs", file=sys.stderr)
        else:
            (ROOT / path).write_text(text, encoding="utf-8")
            print(f"pages: wrote {path}")
    return 1 if check and pages else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

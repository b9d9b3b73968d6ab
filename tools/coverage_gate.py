"""Holds the deciding rooms to full coverage of lines and branches; reads the JSON report of `coverage`."""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOMS = ("message", "delivery", "reliability", "ledger")


def gaps(report: Mapping[str, Any], rooms: tuple[str, ...] = ROOMS) -> Iterator[str]:
    """A line for each file of a deciding room that is not covered whole, and for each room that was not seen."""
    files = {Path(name).as_posix(): found for name, found in report["files"].items()}
    for room in rooms:
        inside = {name: found for name, found in files.items() if f"vagus/{room}/" in name}
        if not inside:
            yield f"{room}/: no file of it was measured"
        for name, found in sorted(inside.items()):
            if missing := [*map(str, found["missing_lines"]), *map(arrow, found.get("missing_branches", ()))]:
                yield f"{name}: not covered: {', '.join(missing)}"


def arrow(branch: tuple[int, int]) -> str:
    """A branch that was never taken, as coverage's own reports write it."""
    start, end = branch
    return f"{start}->{end if end > 0 else 'exit'}"


def main(path: str) -> int:
    """Print the gaps in the report at `path`; 1 where there are any."""
    found = list(gaps(json.loads(Path(path).read_text(encoding="utf-8"))))
    for line in found:
        print(f"coverage: {line}", file=sys.stderr)
    print(f"coverage: deciding rooms {'have gaps' if found else 'are covered whole, branches too'}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

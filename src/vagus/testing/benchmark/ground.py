"""Where a workload runs: on the system that a URL names, in a place where nothing is yet, gone afterwards."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

from vagus.backends.sqlite.options import parse
from vagus.errors import InvalidArgument, mask_url

DEFAULT_URLS = ("memory://", "sqlite:///vagus.db")


class Ground:
    """One system to measure.

    SQLite is measured in files of its own, in a folder beside the file that the URL names: on the same disk, with
    the same settings, and without a trace of it afterwards. That file itself is neither read nor written.
    """

    def __init__(self, url: str, folder: Path | None) -> None:
        self.url = url
        self.system = urlsplit(url).scheme
        self.folder = folder
        self.synchronous = "" if folder is None else parse(url).synchronous
        self._numbers = count()

    @property
    def shared(self) -> bool:
        """Whether processes can share it."""
        return self.folder is not None

    def fresh(self, *, beside: bool = False) -> str:
        """Return a URL that nothing was stored under yet; what earlier ones hold is removed, unless `beside` them."""
        if self.folder is None:
            return f"memory://bench-{id(self)}-{next(self._numbers)}"
        query = urlsplit(self.url).query
        return f"sqlite:///{self.fresh_file(beside=beside)}" + (f"?{query}" if query else "")

    def fresh_file(self, *, beside: bool = False) -> Path:
        """Do the same for a file, for a lane of another program."""
        assert self.folder is not None, "memory has no files"
        if not beside:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(mode=0o700, exist_ok=True)
        return self.folder / f"{next(self._numbers)}.db"


@contextmanager
def ground_of(url: str) -> Iterator[Ground]:
    """Give the ground for a URL, and clear it up.

    Raises `InvalidArgument` for a system that has no benchmark yet, or a URL that its backend would refuse.
    """
    scheme = urlsplit(url).scheme
    if scheme == "memory":
        yield Ground(url, None)
        return
    if scheme != "sqlite":
        raise InvalidArgument(
            f"there is no benchmark for {mask_url(url)!r}", hint=f"use one of: {' '.join(DEFAULT_URLS)}"
        )
    file = parse(url).path.absolute()
    if not file.parent.is_dir():
        raise InvalidArgument(f"the folder {file.parent} does not exist", hint=f"mkdir -p {file.parent}")
    with tempfile.TemporaryDirectory(prefix=f"{file.name}.bench-", dir=file.parent) as folder:
        yield Ground(url, Path(folder) / "files")

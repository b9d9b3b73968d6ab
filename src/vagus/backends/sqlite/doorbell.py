"""How processes on one file wake each other: a datagram socket for each, and a page that says what it waits for.

Both lie in the folder `<database>.d`, the socket as `NAME.bell`, the page as `NAME.want`. Whoever committed something
looks at the pages of the others and rings those that wait for it. The order makes it safe: who waits writes its page
first and looks at the database after; who commits looks at the pages after. So either the one sees the commit, or the
other sees the wish. A page is a few bytes of shared memory: neither side makes a system call, takes a lock or waits.

A page is a set of bits, one for each thing waited for (two things may share one: a bell for nothing costs a look),
and a last byte that says that the bell was rung already.
"""

from __future__ import annotations

import errno
import mmap
import os
import secrets
import socket
import tempfile
import time
import zlib
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

from vagus.backends.sqlite.failures import unusable
from vagus.errors import DatabaseUnusable

BITS = 512
_SIZE = BITS // 8
_RUNG = _SIZE
_EVERYTHING = (1 << BITS) - 1

#: Longest path of a socket that every system takes: 104 bytes with the last zero on macOS, 108 on Linux.
PATH_BYTES = 103

#: The folder's time may not tell apart two changes closer than this, in seconds; the list is not trusted before.
_SETTLED_S = 0.1


def bit_of(kind: str, name: int | str) -> int:
    """Return the bit that stands for a thing to wait for."""
    number = name if isinstance(name, int) else zlib.crc32(f"{kind}:{name}".encode("utf-8", "surrogatepass"))
    return int(1 << number % BITS)


class _Neighbour:
    """Another process's bell."""

    def __init__(self, bell: Path) -> None:
        self.bell = bell
        self.path = str(bell)
        with bell.with_suffix(".want").open("r+b") as file:
            self.page = mmap.mmap(file.fileno(), _SIZE + 1)

    def wants(self, bits: int) -> bool:
        """Return whether it waits for one of `bits` and was not rung for it yet."""
        return not self.page[_RUNG] and int.from_bytes(self.page[:_SIZE], "little") & bits != 0

    def remove(self) -> None:
        """Clean up after a process that is gone."""
        self.page.close()
        self.bell.unlink(missing_ok=True)
        self.bell.with_suffix(".want").unlink(missing_ok=True)


class Doorbell:
    """This process's bell, and those of the others."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._folder = bell_folder(database)
        self.lock = self._folder / "lock"
        self._own = self._folder / f"{secrets.token_hex(4)}.bell"
        self._want = self._own.with_suffix(".want")
        self._page = _new_page(self._want)
        self._socket = _new_bell(self._own)
        self._bits = 0
        self._others: dict[Path, _Neighbour] = {}
        self._listed_at = -1

    def fileno(self) -> int:
        """Return what to poll."""
        return self._socket.fileno()

    def want(self, bits: int) -> bool:
        """Say what this process waits for; return whether that is more than before, so that it must look again."""
        more = bits & ~self._bits != 0
        if bits != self._bits:
            self._bits = bits
            self._page[:_SIZE] = bits.to_bytes(_SIZE, "little")
        return more

    def answer(self) -> bool:
        """Take in what was rung, so that it can be rung again; look at the database after. Return whether it was."""
        self._page[_RUNG] = 0
        rung = False
        while True:
            try:
                self._socket.recv(16)
                rung = True
            except (BlockingIOError, InterruptedError):
                return rung

    def mend(self) -> None:
        """Hang the bell up anew where somebody has cleaned the folder away; without one, we are rung late."""
        if self._own.exists():
            return
        with suppress(OSError, DatabaseUnusable):
            bell_folder(self._database)
            self._want.unlink(missing_ok=True)
            page, bell = _new_page(self._want), _new_bell(self._own)
            page[:_SIZE] = self._bits.to_bytes(_SIZE, "little")
            self._page.close()
            self._page = page
            os.dup2(bell.fileno(), self._socket.fileno())  # whoever polls ours knows it by its number
            bell.close()

    def ring(self, bits: int) -> int:
        """Wake the others that wait for one of `bits`; return how many were rung."""
        rung = 0
        for neighbour in self._neighbours():
            if neighbour.wants(bits):
                rung += self._ring(neighbour)
        return rung

    def ring_all(self) -> int:
        """Wake all others that wait for anything."""
        return self.ring(_EVERYTHING)

    def _ring(self, neighbour: _Neighbour) -> bool:
        neighbour.page[_RUNG] = 1
        try:
            self._socket.sendto(b"!", neighbour.path)
        except (BlockingIOError, InterruptedError):
            return True  # its queue is full: it has been rung
        except OSError as gone:
            if gone.errno not in (errno.ECONNREFUSED, errno.ENOENT):
                neighbour.page[_RUNG] = 0
                return False
            neighbour.remove()
            self._others.pop(neighbour.bell, None)
            return False
        return True

    def _neighbours(self) -> list[_Neighbour]:
        """Return the others, looking into the folder only when its time says that somebody came or went."""
        try:
            changed_at = os.stat(self._folder).st_mtime_ns
        except OSError:  # cleaned away: those who are there hang theirs up again, as we do
            self.mend()
            changed_at = -1
        if changed_at != self._listed_at:
            bells = {path for path in self._folder.glob("*.bell") if path != self._own}
            for path in self._others.keys() - bells:
                self._others.pop(path).page.close()
            for path in bells - self._others.keys():
                self._meet(path)
            settled = time.time_ns() - changed_at > _SETTLED_S * 1e9
            self._listed_at = changed_at if settled else -1
        return list(self._others.values())

    def _meet(self, path: Path) -> None:
        try:
            self._others[path] = _Neighbour(path)
        except (OSError, ValueError):
            return  # it is leaving, or its maker died half-way

    def sweep(self) -> None:
        """Remove what processes that died left behind."""
        for neighbour in self._neighbours():
            try:
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
                    probe.connect(neighbour.path)
            except OSError:
                neighbour.remove()
                self._others.pop(neighbour.bell, None)

    def close(self) -> None:
        """Take the bell down."""
        self._socket.close()
        self._page.close()
        for neighbour in self._others.values():
            neighbour.page.close()
        self._others.clear()
        self._own.unlink(missing_ok=True)
        self._want.unlink(missing_ok=True)


def _new_page(path: Path) -> mmap.mmap:
    """Make a page of zeros. They are written out: on a full disk, touching a hole would kill the process."""
    with open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "r+b") as file:
        try:
            file.write(bytes(_SIZE + 1))
            file.flush()
        except OSError:
            path.unlink()
            raise
        return mmap.mmap(file.fileno(), _SIZE + 1)


def _new_bell(path: Path) -> socket.socket:
    bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    bell.setblocking(False)
    bell.bind(str(path))
    os.chmod(path, 0o600)
    return bell


def bell_folder(database: Path) -> Path:
    """Return the folder of bells, made if need be: beside the database, or in a temporary place if that is too long."""
    folder = database.with_name(f"{database.name}.d")
    if len(os.fsencode(folder / "12345678.bell")) > PATH_BYTES:
        digest = blake2b(os.fsencode(os.path.realpath(database)), digest_size=8).hexdigest()
        folder = Path(tempfile.gettempdir()) / f"vagus-{os.getuid()}-{digest}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid() and folder.parent != database.parent:
        raise unusable(
            f"the folder of its sockets, {folder}, belongs to another user", database, hint=f"ls -ld {folder}"
        )
    return folder

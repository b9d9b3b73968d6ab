"""What goes wrong with a file, as an error of ours: which it is, and what can be done about it."""

from __future__ import annotations

import errno
from pathlib import Path

import apsw

from vagus.errors import (
    BackendError,
    ConnectionLost,
    DatabaseUnusable,
    DiskFull,
    InvalidArgument,
    PublishUnconfirmed,
    VagusError,
)

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_BAD_VALUE = (TypeError, ValueError, OverflowError, AttributeError, apsw.TooBigError, apsw.MismatchError)


def is_disk_full(failure: BaseException, system_errno: int = 0) -> bool:
    """Return whether the disk, a quota or the file's own limit is what stopped a transaction."""
    if isinstance(failure, apsw.FullError):
        return True
    return isinstance(failure, (apsw.IOError, OSError)) and (system_errno or getattr(failure, "errno", 0)) in _NO_SPACE


def is_driver_failure(failure: BaseException) -> bool:
    """Return whether the place failed; else it was one caller's fault: an argument that the database does not take."""
    return isinstance(failure, (apsw.Error, OSError, DatabaseUnusable)) and not isinstance(failure, _BAD_VALUE)


def translate(failure: BaseException, path: Path, system_errno: int = 0) -> VagusError:
    """Return the error of ours for a failure of the driver or the system."""
    where = str(path)
    if isinstance(failure, VagusError):
        return failure
    if is_disk_full(failure, system_errno):
        return DiskFull("there is no room left for the database", where=where, hint=f"df -h {path.parent}")
    if isinstance(failure, (apsw.BusyError, apsw.LockedError)):
        return ConnectionLost(
            "another program holds the database and does not let go", where=where, hint=f"fuser {path}"
        )
    if isinstance(failure, (apsw.ReadOnlyError, apsw.PermissionsError, apsw.AuthError, PermissionError)):
        return unusable("the database cannot be written", path, hint=f"ls -ld {path.parent} {path}")
    if isinstance(failure, (apsw.CorruptError, apsw.NotADBError)):
        return unusable(
            f"the file is corrupt or not a database ({failure})", path, hint=f"sqlite3 {path} 'pragma integrity_check'"
        )
    if isinstance(failure, (apsw.CantOpenError, OSError)):
        return unusable(f"the database cannot be opened ({failure})", path, hint=f"ls -ld {path.parent} {path}")
    if isinstance(failure, _BAD_VALUE):
        return InvalidArgument(f"an argument is not of the kind expected: {failure}", where=where)
    return ConnectionLost(f"the database failed: {failure}", where=where, hint="vagus doctor")


def unusable(what: str, path: Path, hint: str) -> DatabaseUnusable:
    """Return the error for a file that cannot be used."""
    return DatabaseUnusable(what, where=str(path), hint=hint)


def unconfirmed(failure: BaseException, path: Path) -> BackendError:
    """Return the error for a commit of which nobody knows whether it reached the disk."""
    return PublishUnconfirmed(f"it is not known whether the commit was stored: {failure}", where=str(path))

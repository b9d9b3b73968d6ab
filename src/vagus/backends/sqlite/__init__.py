"""Events and small state in one file: `sqlite:///file.db`."""

from vagus.backends.sqlite.backend import Sqlite

__all__ = ["Sqlite"]

"""How `module:app` or `file.py:app` becomes an app: imported as the user's own code would be."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType

from vagus.app.app import App
from vagus.errors import InvalidArgument

_EXAMPLE = "vagus worker app.py:app"


def load_app(target: str, url: str | None = None) -> App:
    """Return the app that `target` names; `url` goes before its own backend.

    `target` is `package.module:name` or `path/file.py:name`; without `:name`, the only app in the module. Modules are
    looked for in the current folder first. Raises InvalidArgument, naming what was expected, or where the module
    itself fails.
    """
    place, _, name = target.partition(":")
    module = _load(place, target)
    apps = {key: value for key, value in vars(module).items() if isinstance(value, App)}
    if not name and len(apps) == 1:
        name = next(iter(apps))
    if name not in apps:
        there = [f"{place}:{key}" for key in apps]
        text = f"no app {name!r} in {place}: it has {', '.join(there) or 'no App'}"
        raise InvalidArgument(text, where=target, hint=f"write {there[0]}" if there else _EXAMPLE)
    app = apps[name]
    if url:
        app.url = url
    return app


def must_be_there(target: str) -> None:
    """Raise InvalidArgument where there is no such file or module, without importing it (but what stands above it)."""
    place = target.partition(":")[0]
    _look_here_first()
    if place.endswith(".py"):
        found = Path(place).is_file()
    else:
        try:
            found = importlib.util.find_spec(place) is not None
        except (ImportError, ValueError):
            found = False
    if not found:
        what = "file" if place.endswith(".py") else "module"
        raise InvalidArgument(f"there is no {what} {place!r} here", where=target, hint=_EXAMPLE)


def _look_here_first() -> None:
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())


def _load(place: str, target: str) -> ModuleType:
    _look_here_first()
    try:
        return _from_file(Path(place)) if place.endswith(".py") else importlib.import_module(place)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{place}.".startswith(f"{error.name}."):
            raise _broken(error, target) from error
        raise InvalidArgument(f"there is no module {place!r} here", where=target, hint=_EXAMPLE) from None
    except FileNotFoundError:
        raise InvalidArgument(f"there is no file {place!r}", where=target, hint=_EXAMPLE) from None
    except InvalidArgument:
        raise
    except (Exception, SystemExit) as error:
        raise _broken(error, target) from error


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise FileNotFoundError(path)
    sys.path.insert(0, str(path.resolve().parent))
    spec = importlib.util.spec_from_file_location(path.stem, path.resolve())
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def _broken(error: BaseException, target: str) -> InvalidArgument:
    """Return the error for a module that fails while it is imported, with the line where."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename]
    where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else target
    if isinstance(error, SyntaxError) and error.filename:
        where = f"{error.filename}:{error.lineno}"
    text = f"{target} cannot be imported: {type(error).__name__}: {error}"
    return InvalidArgument(text, where=where, hint=f"mend {where}")

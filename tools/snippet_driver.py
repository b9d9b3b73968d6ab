"""Runs the Python blocks of one page in one namespace: reads orders as JSON lines, answers each with its traceback."""

import ast
import asyncio
import inspect
import json
import os
import sys
import traceback
from types import ModuleType


def execute(runner: asyncio.Runner, module: ModuleType, source: str, where: str) -> None:
    """Run `source` as a part of `module`; it may await at its top level."""
    code = compile(source, where, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    if code.co_flags & inspect.CO_COROUTINE:
        runner.run(eval(code, vars(module)))
    else:
        exec(code, vars(module))


def main() -> None:
    """Serve until standard input ends. What the blocks print goes to standard error; answers go to standard output."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.path[0] = os.getcwd()
    # Annotations are looked up in the module that a class says it comes from, so the page is the main module.
    module = sys.modules["__main__"] = ModuleType("__main__")
    module.__file__ = os.path.join(os.getcwd(), "page.py")
    with asyncio.Runner() as runner:
        for line in sys.stdin:
            order = json.loads(line)
            try:
                execute(runner, module, order["source"], order["where"])
                problem = ""
            except BaseException:  # a block that calls sys.exit has failed, too, and must say so
                problem = traceback.format_exc()
            print(json.dumps(problem), file=answers, flush=True)


if __name__ == "__main__":
    main()

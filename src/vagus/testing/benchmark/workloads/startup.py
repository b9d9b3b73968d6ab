"""W10: how long a newcomer waits: for help, for an import, for the demo's first answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

from vagus.errors import ConnectionLost
from vagus.testing.benchmark.lane import Sample, interleaved
from vagus.testing.benchmark.plan import Plan
from vagus.testing.benchmark.result.report import Row
from vagus.testing.benchmark.workloads.workload import Workload

_IMPORT = """
import sys, time
before, begin = len(sys.modules), time.perf_counter()
import vagus
print(time.perf_counter() - begin, len(sys.modules) - before)
"""
_HELP = """
import sys
from vagus.cli import main
try:
    main(["--help"])
except SystemExit:
    print(len(sys.modules))
"""
_QUESTION = "When does an event become a dead letter?"
_PATIENCE_S = 60.0


def turns(plan: Plan) -> int:
    """Return how many rounds there are."""
    return 3 * plan.turns


def run(plan: Plan) -> list[Row]:
    """Start new interpreters; `bare` is one that does nothing."""
    lanes = {"help": _help, "import": _import, "demo": _demo}
    found = interleaved(lanes, plan.rounds, plan.tick)
    bare = {"bare": found["bare"]["import"]}
    return [
        Row("vagus --help", "s", {"vagus": found["seconds"]["help"], **bare}),
        Row("vagus --help: modules", "", {"vagus": found["modules"]["help"]}),
        Row("import vagus", "s", {"vagus": found["seconds"]["import"]}),
        Row("import vagus: modules", "", {"vagus": found["modules"]["import"]}),
        Row("first demo answer", "s", {"vagus": found["seconds"]["demo"], **bare}),
    ]


def _python(*words: str) -> tuple[float, str]:
    """Run an interpreter; return the seconds that it took and what it printed."""
    begin = time.perf_counter()
    ended = subprocess.run(
        [sys.executable, *words], stdout=subprocess.PIPE, env=_environment(), text=True, timeout=_PATIENCE_S
    )
    took_s = time.perf_counter() - begin
    if ended.returncode:
        raise ConnectionLost(f"python {words[0]} ended with code {ended.returncode}")
    return took_s, ended.stdout


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "NO_COLOR": "1"}


def _help() -> Sample:
    took_s, _ = _python("-m", "vagus", "--help")
    _, told = _python("-c", _HELP)
    return {"seconds": took_s, "modules": float(told.split()[-1])}


def _import() -> Sample:
    took_s, modules = _python("-c", _IMPORT)[1].split()
    return {"seconds": float(took_s), "modules": float(modules), "bare": _python("-c", "pass")[0]}


def _demo() -> Sample:
    """Ask one question without a pause between words, and stop the clock at the line that has the answer."""
    words = [sys.executable, "-m", "vagus", "demo", "--json", "--pace", "0", "--ask", _QUESTION]
    begin = time.perf_counter()
    with subprocess.Popen(words, stdout=subprocess.PIPE, env=_environment(), text=True) as demo:
        assert demo.stdout is not None
        took_s = next(
            (time.perf_counter() - begin for line in demo.stdout if json.loads(line)["kind"] == "answer"), None
        )
        demo.communicate(timeout=_PATIENCE_S)
    if took_s is None:
        raise ConnectionLost("the demo gave no answer", hint="vagus demo")
    return {"seconds": took_s}


WORKLOAD = Workload(id="W10", title="start-up", run=run, turns=turns, everywhere=False)

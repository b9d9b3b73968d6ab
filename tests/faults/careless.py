"""Workers with a fault of their own, for a run to find: `python careless.py FAULT FOLDER`."""

import asyncio
import sys
from pathlib import Path

from vagus import Context
from vagus.testing.faults.work import Handlers, Job, Mark, make_app
from vagus.testing.faults.worker import serve


class Hasty(Handlers):
    """Lets vagus settle an event before it is handled: what is under way when the worker dies is gone."""

    async def work(self, job: Job, ctx: Context) -> None:
        task = asyncio.create_task(self._later(job, ctx))
        self.tasks = {*getattr(self, "tasks", ()), task}

    async def _later(self, job: Job, ctx: Context) -> Mark:
        await asyncio.sleep(0.2)
        return await super().work(job, ctx)


def disordered(setup, handlers):
    """Return the app with a handler that does not care for the order of keys."""
    return make_app(setup, handlers, ordered=False)


if __name__ == "__main__":
    fault, folder = sys.argv[1], Path(sys.argv[2])
    if fault == "hasty":
        serve(folder, Hasty)
    else:
        serve(folder, make=disordered)

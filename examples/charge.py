"""A charge that is counted once, though its worker is killed in the middle of things.

    python examples/charge.py

Ten orders are to be charged. The effect, a row in the shop's own database, is committed together with the mark that it
happened and with the event that it leads to. A worker that kills itself right after a commit, before it could say so
to vagus, therefore charges nobody twice: its successor finds the mark, and acknowledges.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from vagus import App, Event, SqlEffects

app = App("sqlite:///vagus.db", name="shop")
shop = SqlEffects("shop.db")


class Charge(Event, key="order"):
    order: str
    cents: int


class Charged(Event):
    order: str


app.topic(Charged, keep="1d")


@app.on(Charge, effects=shop, lease=1, prefetch=2)
def charge(event: Charge, db: sqlite3.Connection) -> Charged:
    db.execute("INSERT INTO charges VALUES (?, ?)", (event.order, event.cents))
    return Charged(event.order)


async def publish() -> None:
    async with app:
        await app.publish([Charge(f"order-{number}", 100 + number) for number in range(10)])


async def work() -> None:
    """Handle events until none is left; where asked to, die when the third charge has been committed."""
    dies = "--die" in sys.argv
    async with app.running():
        while any(group.acked < group.entered for group in (await app.stats()).groups):
            with closing(sqlite3.connect("shop.db")) as look:
                ((count,),) = look.execute("SELECT count(*) FROM vagus_effect")
            if dies and count >= 3:
                os.kill(os.getpid(), signal.SIGKILL)
            await asyncio.sleep(0.001)


def main() -> None:
    me = Path(__file__).resolve()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        with closing(sqlite3.connect("shop.db")) as db:
            db.execute("CREATE TABLE charges (order_id TEXT, cents INTEGER)")
        asyncio.run(publish())
        for words in (["--die"], []):
            ended = subprocess.run([sys.executable, me, "work", *words], check=False).returncode
            print("a worker was killed" if ended else "a worker finished")
        with closing(sqlite3.connect("shop.db")) as db:
            count, orders, cents = db.execute(
                "SELECT count(*), count(DISTINCT order_id), sum(cents) FROM charges"
            ).fetchone()
        print(f"{count} charges for {orders} orders: {cents} cents")
        os.chdir(me.parent)


if __name__ == "__main__":
    if "work" in sys.argv:
        asyncio.run(work())
    else:
        main()

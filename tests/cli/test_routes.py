"""`vagus routes`, and what `vagus doctor` says of topics on the wrong kind of backend."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Say
from vagus import App, Event, Retry, Router, Rule
from vagus.backend import Catalogue
from vagus.backends.memory.backend import CAPABILITIES
from vagus.cli.findings.examined import Examined
from vagus.cli.findings.routes import misplaced_topics

APP = """
import asyncio
from vagus import App, Event, Rule

class Pay(Event, kind="command", key="customer"):
    customer: str

class Click(Event, kind="telemetry"):
    page: str

app = App("sqlite:///main.db", name="shop", routes={
    "backends": {"log": {"url": "sqlite:///log.db", "role": "log"}, "new": "sqlite:///new.db"},
    "rules": [Rule(event="Pay", shadow="new")],
})
app.topic(Pay, keep="1d")
app.topic(Click, keep="1d")

async def main():
    async with app:
        await app.publish([Pay("ann"), Pay("bob"), Click("a")])

if __name__ == "__main__":
    asyncio.run(main())
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    file = tmp_path / "shop_routed.py"
    file.write_text(APP, encoding="utf-8")
    return file


@pytest.mark.requirement("R110")
def test_topics_are_shown_with_their_backend_and_why(say: Say, app: Path) -> None:
    told = say("routes", "--app", f"{app}:app", "--json")

    rows = {row["topic"]: row for row in json.loads(told.out)}
    assert rows["pay"] == {
        "topic": "pay",
        "kind": "command",
        "backend": "default",
        "why": "rule 1: event Pay",
        "shadow": "new",
        "url": "sqlite:///main.db",
    }
    assert (rows["click"]["backend"], rows["click"]["why"]) == ("log", "telemetry goes to a log, and log is one")
    assert rows["error_event"]["why"] == "no rule fits: the default"
    assert "vagus.control" not in rows
    assert "telemetry goes to a log" in say("routes", "ls", "click", "--app", f"{app}:app").out


def test_policy_file_alone_tells_of_topics_by_name(say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "routes.toml"
    file.write_text('[[rules]]\ntopic = "audit.#"\nto = "sqlite:///log.db"\n', encoding="utf-8")

    told = say("routes", "ls", "audit.login", "order", "--routes", str(file), "--json")
    assert [row["backend"] for row in json.loads(told.out)] == ["sqlite:///log.db", "default"]
    monkeypatch.setenv("VAGUS_ROUTES", str(file))
    assert say("routes", "ls", "audit.login").code == 0


@pytest.mark.contract("G19")
def test_no_policy_and_no_shadow_are_named_errors(say: Say, app: Path) -> None:
    told = say("routes")
    assert (told.code, "no policy was named" in told.err) == (2, True)
    told = say("routes", "diff", "click", "--app", f"{app}:app")
    assert (told.code, "'click' goes to log" in told.err) == (2, True)
    told = say("routes", "diff", "pay", "--app", f"{app}:app")
    assert (told.code, "there is no such database file" in told.err) == (3, True)


@pytest.mark.requirement("R49")
def test_copies_are_compared_and_a_planted_loss_is_found(say: Say, app: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(app)], cwd=tmp_path, check=True, timeout=60)
    told = say("routes", "diff", "pay", "--app", f"{app}:app", "--settle", "0s")
    assert (told.code, told.out) == (0, "pay: the same: 2 events in both\n")

    with sqlite3.connect(tmp_path / "new.db") as raw:
        raw.execute("DELETE FROM event WHERE place = (SELECT max(place) FROM event)")
    raw.close()

    told = say("routes", "diff", "pay", "--app", f"{app}:app", "--settle", "0s")
    assert told.code == 1
    assert "pay: differs: 1 event in both, 1 missing" in told.out
    (record,) = json.loads(say("routes", "diff", "pay", "--app", f"{app}:app", "--settle", "0s", "--json").out)
    assert (record["same"], len(record["missing"]), record["compared"]) == (False, 1, 1)


# --- doctor ----------------------------------------------------------------------------------------------------------


class Pay(Event, kind="command"):
    customer: str


class Click(Event, kind="telemetry"):
    page: str


def said(app: App) -> list[tuple[str, str]]:
    seen = Examined(
        capabilities=CAPABILITIES,
        catalogue=Catalogue((), ()),
        books={},
        open_letters={},
        recent={},
        wanted={},
        now=0.0,
        app=app,
    )
    return [(found.level, f"{found.subject}: {found.text}") for found in misplaced_topics(seen)]


def shop(*rules: Rule, deliver: str = "once") -> App:
    backends = {"queue": {"url": "sqlite:///q.db", "role": "queue"}, "log": {"url": "sqlite:///l.db", "role": "log"}}
    app = App("memory://", name="shop", routes={"backends": backends, "rules": rules})

    @app.on(Pay, retry=Retry(attempts=3), deliver=deliver)
    async def pay(order: Pay) -> None: ...

    app.topic(Click, keep="1d")
    return app


@pytest.mark.requirement("R114", "R115", "R130")
def test_doctor_has_nothing_to_say_of_topics_where_they_belong() -> None:
    assert said(shop()) == []


@pytest.mark.requirement("R114", "R115", "R116", "R130")
@pytest.mark.parametrize(
    ("app", "level", "text"),
    [
        (shop(Rule(kind="telemetry", to="queue")), "remark", "click: telemetry goes to queue, a queue"),
        (shop(Rule(kind="command", to="log")), "remark", "pay: commands go to log, a log"),
        (shop(Rule(kind="command", to="default")), "problem", "pay: commands go to default, which forgets them"),
        (shop(Rule(event="Pay", to="default")), "problem", "shop.pay: it has retry=, but default forgets what waits"),
        (shop(deliver="all"), "remark", 'shop.pay: it carries out the commands of pay with deliver="all"'),
    ],
)
def test_doctor_warns_of_the_opposite(app: App, level: str, text: str) -> None:
    assert [one for one, found in said(app) if found.startswith(text)] == [level]


@pytest.mark.requirement("R130")
def test_doctor_warns_of_commands_that_nobody_carries_out() -> None:
    app = App("sqlite:///x.db", name="shop")
    app.include(Router())
    app.topic(Pay, keep="1d")

    assert said(app) == [("remark", "pay: no handler of the app carries out these commands")]

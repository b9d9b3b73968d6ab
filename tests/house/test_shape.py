"""The shape budgets measure what they say, and a planted breach of each is caught."""

from pathlib import Path

import pytest

from tools import shape

BODY = "    x = 1\n"


def plant(folder: Path, files: dict[str, str]) -> tuple[str, ...]:
    root = folder / "planted"
    for name, text in {"__init__.py": '"""Law."""\n', **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return shape.measure(root).problems


BREACHES = {
    "long function": ({"a.py": '"""Law."""\ndef f() -> None:\n' + BODY * 80}, "a.py:2 f: 81 lines"),
    "deep nesting": (
        {"a.py": '"""Law."""\ndef f() -> None:\n  if 1:\n   for x in y:\n    with z:\n     while 1:\n      pass\n'},
        "a.py:2 f: 4 blocks inside each other",
    ),
    "no return annotation": ({"a.py": '"""Law."""\nasync def f():\n    pass\n'}, "a.py:2 f: no return annotation"),
    "import in a function": (
        {"a.py": '"""Law."""\ndef f() -> None:\n    import os\n'},
        "a.py:3 f: imports inside its body",
    ),
    "long module": ({"a.py": '"""Law."""\n' + "x = 1\n" * 700}, "a.py: 701 lines"),
    "no law": ({"a.py": "x = 1\n"}, "a.py: its first line does not say its law"),
    "drawer": ({"utils.py": '"""Law."""\n'}, "utils.py: a drawer for anything"),
    "wide folder": ({f"room/f{n}.py": '"""Law."""\n' for n in range(14)}, "planted/room/: 14 files, at most 13"),
    "circle": (
        {"a.py": '"""Law."""\nfrom planted import b\n', "b.py": '"""Law."""\nfrom .a import x\n'},
        "import circle: planted.",
    ),
    "hidden imports": (
        {"a.py": '"""Law."""\n' + "if typing.TYPE_CHECKING:\n    import b\n" * 2},
        "2 TYPE_CHECKING blocks, at most 1",
    ),
    "long median": (
        {"a.py": '"""Law."""\n' + ("def f() -> None:\n" + BODY * 10) * 3},
        "median function 11 lines, at most 10",
    ),
    "deep imports": (
        {f"m{n}.py": f'"""Law."""\nimport planted.m{n + 1}\n' for n in range(25)} | {"m25.py": '"""Law."""\n'},
        "imports stand 26 deep, at most 24",
    ),
}


@pytest.mark.parametrize(("files", "problem"), BREACHES.values(), ids=BREACHES)
def test_planted_breach_of_a_budget_is_caught(files: dict[str, str], problem: str, tmp_path: Path) -> None:
    found = plant(tmp_path, files)

    assert [line for line in found if line.startswith(problem)]


def test_tree_within_its_budgets_has_no_problems(tmp_path: Path) -> None:
    lawful = (
        '"""Law."""\nimport planted.b\n\ndef f(x: int) -> int:\n    """A promise\n    of many lines."""\n    return x\n'
    )
    lazy = '"""Law."""\ndef load() -> None:\n    import planted.a\n'

    assert plant(tmp_path, {"a.py": lawful, "b.py": '"""Law."""\n', "registry.py": lazy, "cli/x.py": lazy}) == ()


def test_docstring_and_elif_cost_nothing(tmp_path: Path) -> None:
    chain = "    if x:\n        pass\n" + "    elif x:\n        pass\n" * 3
    text = '"""Law."""\ndef f() -> None:\n    """' + "Words.\n    " * 90 + '"""\n' + chain

    assert plant(tmp_path, {"a.py": text}) == ()


def test_command_ends_with_the_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plant(tmp_path, {"helpers.py": '"""Law."""\n'})

    assert shape.main(str(tmp_path / "planted")) == 1
    assert "shape: broken: helpers.py" in capsys.readouterr().err

"""The generated pages are up to date, and their makers read what they say they read."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from tools import contract_page, errors_page, matrix_page, pages, requirements_page
from tools.markers import ROOT, Shown, collect, links
from vagus import errors

MARKED = """
import pytest
pytestmark = [pytest.mark.requirement("R1"), pytest.mark.slow]

@pytest.mark.requirement("R2", "R3")
async def test_plain(): ...

@pytest.mark.requirement("R4")
class TestMany:
    def test_one(self): ...
    def helper(self): ...
"""


@pytest.mark.parametrize("maker", pages.MAKERS, ids=lambda maker: maker.PATH)
def test_page_on_disk_is_the_page_made_today(maker: ModuleType) -> None:
    path, wanted = ROOT / maker.PATH, maker.render()

    up_to_date = path.exists() and path.read_text(encoding="utf-8") == wanted
    assert up_to_date, "hint: make docs"


def test_marks_on_test_class_and_module_are_all_found(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/test_x.py").write_text(MARKED)

    found = collect("requirement", tmp_path, ("tests",))

    plain, one = "tests/test_x.py::test_plain", "tests/test_x.py::TestMany::test_one"
    assert found == sorted(
        [Shown("R1", plain), Shown("R2", plain), Shown("R3", plain), Shown("R1", one), Shown("R4", one)]
    )


def test_requirement_without_a_test_is_said_to_be_missing() -> None:
    page = requirements_page.build({"Words": {"R1": "a | b", "R2": "c"}}, [Shown("R1", "tests/test_x.py::test_y")])

    assert "| R1 | a \\| b | [`test_y`](../tests/test_x.py) |" in page
    assert "| R2 | c | not there yet |" in page
    assert "**1 of 2**" in page


@pytest.mark.parametrize(
    "make", [lambda shown: requirements_page.build({}, shown), contract_page.table], ids=["requirements", "contract"]
)
def test_number_that_stands_in_no_list_is_refused(make: Callable[[list[Shown]], str]) -> None:
    with pytest.raises(requirements_page.UnknownNumber, match=r"tests/a\.py::test_b names G99"):
        make([Shown("G99", "tests/a.py::test_b")])


def test_every_requirement_has_a_line_and_no_number_is_left_out() -> None:
    numbers = [number for rows in requirements_page.texts().values() for number in rows]

    assert numbers == [f"R{n}" for n in range(1, 133)]


def test_tests_over_the_limit_are_counted() -> None:
    assert links([Shown("G1", f"tests/a.py::test_{n}") for n in range(3)], most=1).endswith(" and 2 more")


def test_contract_table_stands_between_its_marks() -> None:
    page = f"before\n{contract_page.BEGIN}\nold\n{contract_page.END}\nafter\n"

    filled = contract_page.fill(page, "new")

    assert filled == f"before\n{contract_page.BEGIN}\n\nnew\n\n{contract_page.END}\nafter\n"
    assert contract_page.fill(filled, "new") == filled


def test_contract_page_without_marks_is_refused() -> None:
    with pytest.raises(contract_page.NoPlace, match="end of tests"):
        contract_page.fill("no marks", "new")


def test_each_error_stands_once_on_its_page_with_its_code() -> None:
    page = errors_page.render()

    assert page.count(f"| `{errors.LeaseLost.__name__}` |") == 1
    assert f"| {errors.LeaseLost.code} |" in page


def test_error_codes_are_never_shared() -> None:
    codes = [error.code for error, _ in errors_page.tree(errors.VagusError)]

    assert len(codes) == len(set(codes))


def test_each_flag_of_a_backend_has_a_sentence() -> None:
    assert {flag for flag, text in matrix_page.flags().items() if not text} == set()

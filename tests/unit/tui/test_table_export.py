"""Tables in files: every row, and no cell that a spreadsheet takes for a formula."""

import csv
import io
import json
from pathlib import Path

import pytest
from tests.ui.canned import cronjob

from kronkeep_common.errors import InvalidRequest
from kronkeep_tui.table_export import csv_of, harmless, write_table
from kronkeep_tui.widgets.row_table import Column, TableRow

COLUMNS = (Column(title="", width=3), Column(title="NAME", width=9))


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_is_a_formula(cell: str) -> None:
    assert harmless(cell) == f"'{cell}"
    rows = [TableRow("a", ("ok", cell))]
    (_, read) = csv.reader(io.StringIO(csv_of(COLUMNS, rows).decode(), newline=""))
    assert not read[1].startswith(("=", "+", "-", "@"))


def test_what_is_no_formula_stays_as_it_is() -> None:
    rows = [TableRow("a", ("ok", 'a "quoted", name')), TableRow("b", ("-", "--"))]
    read = list(csv.reader(io.StringIO(csv_of(COLUMNS, rows).decode(), newline="")))
    assert read == [["STATE", "NAME"], ["ok", 'a "quoted", name'], ["-", "--"]]


def test_the_name_chooses_the_form_and_nothing_is_overwritten(tmp_path: Path) -> None:
    write_table(tmp_path / "jobs.json", COLUMNS, [], [cronjob("a")])
    assert json.loads((tmp_path / "jobs.json").read_text())[0]["name"] == "a"
    for name in ("jobs.json", "jobs.xls", "none/jobs.csv"):
        with pytest.raises(InvalidRequest):
            write_table(tmp_path / name, COLUMNS, [], [])

"""Tables in files: every row, and no cell that a spreadsheet takes for a formula."""

import csv
import io
import json
from datetime import timedelta
from pathlib import Path

import pytest
from tests.ui.canned import NOW, cronjob

from kronkeep_common.errors import InvalidRequest
from kronkeep_tui.pages.moments import age_cell
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


def test_moments_are_whole_and_the_namespace_is_there() -> None:
    rows = [TableRow("a", ("ok", age_cell(NOW - timedelta(minutes=4), NOW)))]
    columns = (Column(title="ST", width=3), Column(title="AGE", width=9))
    read = list(csv.reader(io.StringIO(csv_of(columns, rows, [cronjob("a")]).decode(), newline="")))
    assert read == [["NAMESPACE", "ST", "AGE"], ["default", "ok", "2026-11-24T03:10:20+00:00"]]
    columns = (Column(title="NAMESPACE", width=3), Column(title="AGE", width=9))
    assert len(next(csv.reader([csv_of(columns, rows, [cronjob("a")]).decode().splitlines()[0]]))) == 2


def test_the_name_chooses_the_form_and_nothing_is_overwritten(tmp_path: Path) -> None:
    write_table(tmp_path / "jobs.json", COLUMNS, [], [cronjob("a")])
    assert json.loads((tmp_path / "jobs.json").read_text())[0]["name"] == "a"
    for name in ("jobs.json", "jobs.xls", "none/jobs.csv"):
        with pytest.raises(InvalidRequest):
            write_table(tmp_path / name, COLUMNS, [], [])

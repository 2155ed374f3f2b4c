"""A table in a file: CSV for spreadsheets, or the records as JSON."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import msgspec

from kronkeep_common.errors import InvalidRequest
from kronkeep_tui.widgets.cells import Cell, Moment, plain, replace_drawings, spans
from kronkeep_tui.widgets.row_table import Column, TableRow

# A spreadsheet takes a cell that begins so for a formula (OWASP, CSV injection).
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def write_table(
    target: Path, columns: Sequence[Column], rows: Sequence[TableRow], records: Sequence[object]
) -> Path:
    """Write a new file, CSV of the cells or JSON of the records by its name; return its path.

    Raises InvalidRequest for another ending, a file that exists, and one that cannot be written.
    """
    if target.suffix not in (".csv", ".json"):
        raise InvalidRequest("The name must end in .csv or .json.", next_step="ctrl+e asks again.")
    data = csv_of(columns, rows, records) if target.suffix == ".csv" else json_of(records)
    try:
        with target.open("xb") as file:
            file.write(data)
    except OSError as fault:
        raise InvalidRequest(f"{target} cannot be written: {fault.strerror}.") from fault
    return Path.cwd() / target


def csv_of(columns: Sequence[Column], rows: Sequence[TableRow], records: Sequence[object] = ()) -> bytes:
    """Return rows as CSV (RFC 4180) with whole moments for ages, in which no cell is a formula.

    Where no column has the namespace of the records, it comes first.
    """
    titles = [column.title or "STATE" for column in columns]
    lines = [[_cell_text(cell) for cell in row.cells] for row in rows]
    namespaces = [str(getattr(record, "namespace", "") or "") for record in records]
    if any(namespaces) and "NAMESPACE" not in titles:
        titles.insert(0, "NAMESPACE")
        lines = [[namespace, *line] for namespace, line in zip(namespaces, lines, strict=True)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(titles)
    writer.writerows([harmless(cell) for cell in line] for line in lines)
    return text.getvalue().encode()


def _cell_text(cell: Cell) -> str:
    whole = tuple((words.stamp if isinstance(words, Moment) else words, role) for words, role in spans(cell))
    return plain(replace_drawings(whole)).strip()


def harmless(cell: str) -> str:
    """Return a cell that a spreadsheet shows as it is: a quote goes before what would be a formula."""
    is_dash = set(cell) <= {"-"}  # the sign for nothing
    return f"'{cell}" if cell.startswith(_FORMULAS) and not is_dash else cell


def json_of(records: Sequence[object]) -> bytes:
    """Return records as a list in JSON."""
    return msgspec.json.format(msgspec.json.encode(list(records)), indent=2) + b"\n"

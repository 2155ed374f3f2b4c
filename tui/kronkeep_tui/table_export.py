"""A table in a file: CSV for spreadsheets, or the records as JSON."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import msgspec

from kronkeep_common.errors import InvalidRequest
from kronkeep_tui.widgets.cells import plain, replace_drawings, spans
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
    data = csv_of(columns, rows) if target.suffix == ".csv" else json_of(records)
    try:
        with target.open("xb") as file:
            file.write(data)
    except OSError as fault:
        raise InvalidRequest(f"{target} cannot be written: {fault.strerror}.") from fault
    return Path.cwd() / target


def csv_of(columns: Sequence[Column], rows: Sequence[TableRow]) -> bytes:
    """Return rows as CSV (RFC 4180), in which no cell is a formula."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([column.title or "STATE" for column in columns])
    for row in rows:
        cells = [plain(replace_drawings(spans(cell))).strip() for cell in row.cells]
        writer.writerow([harmless(cell) for cell in cells])
    return text.getvalue().encode()


def harmless(cell: str) -> str:
    """Return a cell that a spreadsheet shows as it is: a quote goes before what would be a formula."""
    is_dash = set(cell) <= {"-"}  # the sign for nothing
    return f"'{cell}" if cell.startswith(_FORMULAS) and not is_dash else cell


def json_of(records: Sequence[object]) -> bytes:
    """Return records as a list in JSON."""
    return msgspec.json.format(msgspec.json.encode(list(records)), indent=2) + b"\n"

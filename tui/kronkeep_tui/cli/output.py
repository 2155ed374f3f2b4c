"""What the command line prints: tables, JSON, JSON lines, YAML and names, without colours."""

import argparse
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import tzinfo
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec

from kronkeep_common.display_zone import ZONE_HELP, read_display_zone
from kronkeep_common.errors import InvalidRequest
from kronkeep_common.name_suggestions import suggest_name
from kronkeep_common.natural_order import natural_key
from kronkeep_common.text import clean, clip
from kronkeep_tui.cli.columns import (
    COLUMNS,
    WIDE_COLUMNS,
    OutputColumn,
    cluster_column,
    with_times,
    with_whole_text,
)

T = TypeVar("T")
_NAMES = {
    "manifests": "file",
    "sinks": "name",
    "changes": "path",
    "matches": "path",
    "files": "path",
    "orphans": "policy_id",
}  # fields that name a record; elsewhere its id
SHORTEST_CELL = 8  # of the last column, which is cut to the width of a screen
FORMATS = ("table", "wide", "json", "jsonl", "yaml", "name")
NAMELESS = FORMATS[:-1]  # of records that no verb takes by a name


def add_options(verb: argparse.ArgumentParser, formats: Sequence[str] = FORMATS) -> None:
    """Add the options of verbs that print lists."""
    verb.add_argument(
        "-o", "--output", choices=formats, default="table", help="of what is printed (default: %(default)s)"
    )
    verb.add_argument("--no-headers", action="store_true", help="print a table without its first line")


def add_json(verb: argparse.ArgumentParser) -> None:
    """Add `-o json` to a verb that changes or shows one record."""
    verb.add_argument(
        "-o",
        "--output",
        choices=("text", "json"),
        default="text",
        help="of what is printed (default: %(default)s)",
    )


def print_answer(record: object, words: str, options: argparse.Namespace) -> None:
    """Print the record as JSON where that was asked for, else what happened in words."""
    if options.output == "json":
        print_document(record, "json")
        sys.stdout.flush()
    else:
        print(clean(words, 2000))


def print_answers(records: Sequence[T], describe: Callable[[T], str], options: argparse.Namespace) -> None:
    """Print records as a list of JSON where that was asked for, else what happened to each in words."""
    if options.output == "json":
        print_document(list(records), "json")
        sys.stdout.flush()
    else:
        _print_lines([clean(describe(record), 2000) for record in records])


def add_zone(
    verb: argparse.ArgumentParser, use: str = "print times of this zone in tables, not ages"
) -> None:
    """Add `--zone`; `use` says what it is for."""
    verb.add_argument("--zone", metavar="ZONE", help=f"{use}: {ZONE_HELP}", type=_read_zone)


def _read_zone(name: str) -> tzinfo:
    try:
        return read_display_zone(name)
    except InvalidRequest as error:
        raise argparse.ArgumentTypeError(f"{error.message} {error.next_step}") from error


def sort_records(kind: str, records: Sequence[object], field: str) -> list[object]:
    """Sort by a field or the title of a column, records without it last; `-field` is descending.

    Raise InvalidRequest.
    """
    asked = field.removeprefix("-")
    by_title = {
        column.title.lower(): column.field for column in (*COLUMNS[kind], *WIDE_COLUMNS.get(kind, ()))
    }
    name = by_title.get(asked.lower().replace("_", " "), asked) or asked
    if records and not hasattr(records[0], name):
        fields = (each for each in getattr(records[0], "__struct_fields__", ()))
        advice = suggest_name(asked, [*fields, *by_title])
        raise InvalidRequest(f"There is no field {clean(repr(asked), 60)}.", next_step=advice)
    with_value = [record for record in records if getattr(record, name) is not None]
    without = [record for record in records if getattr(record, name) is None]
    descending = field.startswith("-")

    def sort_key(record: object) -> Any:
        value = getattr(record, name)
        return natural_key(value) if isinstance(value, str) else value

    try:
        return sorted(with_value, key=sort_key, reverse=descending) + without
    except TypeError:  # values of a field such as `policy` have no order
        return sorted(with_value, key=lambda record: str(getattr(record, name)), reverse=descending) + without


def print_records(
    kind: str,
    records: Sequence[object],
    form: str,
    *,
    headers: bool = True,
    clusters: Mapping[str, str] = MappingProxyType({}),
    zone: tzinfo | None = None,
) -> None:
    """Print records of a kind in one of FORMATS.

    `clusters` are names by id where there are several clusters; a table then begins with a column of them.
    With a `zone` tables have times in it instead of ages.
    """
    if form in ("table", "wide"):
        columns = COLUMNS[kind]
        if form == "wide":
            columns = (*map(with_whole_text, columns), *WIDE_COLUMNS.get(kind, ()))
        if zone is not None:
            columns = tuple(with_times(column, zone) for column in columns)
        if clusters:
            columns = (cluster_column(clusters), *columns)
        _print_table(columns, records, headers)
    elif form == "name":
        _print_lines([_name_of(kind, record) for record in records])
    elif form == "jsonl":
        _print_lines([msgspec.json.encode(record).decode() for record in records])
    else:
        print_document(list(records), form)


def print_document(value: object, form: str) -> None:
    """Print one value as JSON or YAML."""
    if form == "yaml":
        import yaml

        sys.stdout.write(yaml.safe_dump(msgspec.to_builtins(value), sort_keys=False, allow_unicode=True))
        return
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")


def _name_of(kind: str, record: Any) -> str:
    """Return what other verbs take for the record: NAMESPACE/NAME of a CronJob, otherwise an id."""
    if kind in ("cronjobs", "claims"):
        return clean(f"{record.namespace}/{record.name}")
    if kind == "policies":
        return clean(f"{record.namespace}/{record.cronjob}")
    if kind in ("figures", "figures of storages"):
        return clean("/".join(filter(None, (record.namespace, record.cronjob, record.storage_id))))
    return clean(getattr(record, _NAMES.get(kind, "id")))


def _print_lines(lines: Sequence[str]) -> None:
    sys.stdout.write("".join(line + "\n" for line in lines))


def _print_table(columns: Sequence[OutputColumn], records: Sequence[object], headers: bool) -> None:
    rows = [[column.title for column in columns]]
    rows += [[column.cell(record) for column in columns] for record in records]
    print_rows(rows, headers=headers)


def print_rows(rows: Sequence[Sequence[str]], *, headers: bool = True) -> None:
    """Print a table; the first of `rows` are its titles."""
    if len(rows) < 2:
        sys.stderr.write("Nothing found.\n")
        return
    shown = rows if headers else rows[1:]
    widths = _widths(shown)
    for row in shown:
        cells = [text.ljust(width) for text, width in zip(row, widths, strict=True)]
        sys.stdout.write("  ".join(cells).rstrip() + "\n")


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(*rows, strict=True)]


def screen_columns() -> int | None:
    """Return how wide the screen is that output goes to; None where it goes to a file or another program."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def clip_last(rows: list[list[str]], columns: int | None) -> list[list[str]]:
    """Return rows whose last cells are cut, so that lines are no longer than `columns`."""
    if columns is None:
        return rows
    before = sum(width + 2 for width in _widths(rows)[:-1])
    return [[*row[:-1], clip(row[-1], max(SHORTEST_CELL, columns - before))] for row in rows]

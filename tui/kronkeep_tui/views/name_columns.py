"""The texts of columns that are not cut while there is space: namespaces and names."""

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any

from rich.cells import cell_len

from kronkeep_tui.store import Store
from kronkeep_tui.widgets.row_table import Column

NameText = Callable[[Any, Store], str]
MOST_MEASURED = 2_000  # records
LONGEST_NAME = 320  # characters: a namespace (63), a name (253) and what is between them


def namespace_of(record: Any, _: Store) -> str:
    """Return a record's namespace."""
    return str(record.namespace)


def cronjob_name(record: Any, store: Store) -> str:
    """Return the name of a CronJob as its row has it."""
    return store.label(record.namespace, record.name)


def name_of_its_cronjob(record: Any, store: Store) -> str:
    """Return the name of a record's CronJob as its row has it."""
    return store.label(record.namespace, record.cronjob)


def measure(records: Sequence[Any], texts: Mapping[str, NameText], store: Store) -> dict[str, int]:
    """Return the cells of the longest text of each column, by its title."""
    measured = list(islice(records, MOST_MEASURED))
    return {
        title: max((cell_len(text_of(each, store)[:LONGEST_NAME]) for each in measured), default=0)
        for title, text_of in texts.items()
    }


def with_contents(columns: Sequence[Column], longest: Mapping[str, int]) -> tuple[Column, ...]:
    """Return the columns with the cells that their contents need."""
    return tuple(column._replace(content=longest.get(column.title, 0)) for column in columns)

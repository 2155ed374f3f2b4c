"""Verbs that take several ids: each is tried, and what was done is said before what was refused."""

import argparse
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from kronkeep_common.errors import KronkeepError, Unavailable
from kronkeep_tui.cli import output

T = TypeVar("T")


async def act_on_each(
    ids: Sequence[str],
    act: Callable[[str], Awaitable[T]],
    describe: Callable[[T], str],
    options: argparse.Namespace,
) -> list[T]:
    """Act on each id and print what became of it, then the refusals; return the records.

    Raise the last refusal; while the daemon is away the ids that are left are not tried.
    """
    from kronkeep_tui.cli.main import report_error

    records: list[T] = []
    refusals: list[KronkeepError] = []
    for record_id in ids:
        try:
            records.append(await act(record_id))
        except KronkeepError as refusal:
            refusals.append(refusal)
            if isinstance(refusal, Unavailable):
                break
    if records or not refusals:
        output.print_answers(records, describe, options)
    for earlier in refusals[:-1]:
        report_error(earlier, options.verb)
    if refusals:
        raise refusals[-1]
    return records

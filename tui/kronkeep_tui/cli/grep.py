"""`kronkeep grep`: search in the logs that were kept of all runs."""

import argparse
import sys
from typing import TYPE_CHECKING

import msgspec

from kronkeep_common.text import clean, count_words, short_id
from kronkeep_tui.cli.arguments import read_count
from kronkeep_tui.cli.output import print_document
from kronkeep_tui.cli.verb import Verbs, add_verb, with_client

if TYPE_CHECKING:
    from kronkeep_common.client import Client
    from kronkeep_common.models.log_search import LogHit


def add_parser(verbs: Verbs) -> None:
    """Add the verb `grep`."""
    grep = add_verb(verbs, "grep", routes=["GET /v1/grep"])
    grep.add_argument("text", help="a text within one line, not a pattern")
    grep.add_argument("--filter", help="only logs of such runs: 'ns:shop age:<30d'")
    grep.add_argument("-C", "--context", type=int, default=0, help="lines before and after each hit (to 20)")
    grep.add_argument("-i", "--ignore-case", action="store_true", help="upper and lower case are the same")
    grep.add_argument("--limit", type=read_count, help="end after so many hits (default: 10000)")
    grep.add_argument(
        "-o",
        "--output",
        choices=("table", "json", "jsonl"),
        default="table",
        help="of what is printed (default: %(default)s)",
    )
    grep.set_defaults(func=with_client(_search))


async def _search(client: "Client", options: argparse.Namespace) -> int:
    """Print the hits as they come; return 1 where there is none, as grep does."""
    answer = client.runs.grep(
        options.text, options.filter, options.context, options.ignore_case, options.limit
    )
    end = None
    hits: list[LogHit] = []
    async for line in answer:
        if line.hit is not None and options.output == "json":
            hits.append(line.hit)
        elif line.hit is not None:
            lines = _lines_of(line.hit, options.context) if options.output == "table" else [_json(line.hit)]
            sys.stdout.write("".join(text + "\n" for text in lines))
            sys.stdout.flush()
        end = line.end
    if options.output == "json":
        print_document(hits, "json")
        sys.stdout.flush()
    if end is None:
        sys.stderr.write("kronkeep: the search was broken off.\n")
        return 1
    if end.limited:
        sys.stderr.write(f"kronkeep: ended after {count_words(end.hits, 'hit')}.\n")
    if end.removed:
        sys.stderr.write(f"kronkeep: {end.removed} logs were removed for space (kronkeep doctor).\n")
    return 0 if end.hits else 1


def _json(hit: "LogHit") -> str:
    return msgspec.json.encode(hit).decode()


def _lines_of(hit: "LogHit", context: int) -> list[str]:
    head = clean(f"{hit.namespace}/{hit.cronjob} {short_id(hit.execution_id)} {hit.container}")
    first = hit.line - len(hit.before)
    around = [*((text, "-") for text in hit.before), (hit.text, ":"), *((text, "-") for text in hit.after)]
    lines = [f"{head}{mark}{first + n}{mark}{clean(text)}" for n, (text, mark) in enumerate(around)]
    return [*lines, "--"] if context else lines

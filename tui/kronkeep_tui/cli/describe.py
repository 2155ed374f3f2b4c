"""`kronkeep describe`, `audit` and `completion`."""

import argparse
import sys
from typing import TYPE_CHECKING, Any

import msgspec

from kronkeep_common.models import BackupExecution, BackupStorage, CronJobExecution
from kronkeep_common.text import clean
from kronkeep_tui.cli import output
from kronkeep_tui.cli.verb_runner import add_cluster, add_verb, run, split_name

if TYPE_CHECKING:
    from kronkeep_common.client import Client


def add_parser(verbs: Any, whole: Any) -> None:
    """Add the verbs' parsers; `whole` builds the complete parser from which completions are made."""
    describe = verbs.add_parser(
        "describe", help="one CronJob, run, backup or storage with what belongs to it"
    )
    describe.add_argument("kind", choices=("cronjob", "execution", "backup", "storage"))
    describe.add_argument("id", help="NAMESPACE/NAME of a CronJob, else an id")
    add_cluster(describe)
    describe.set_defaults(func=run(show))
    audit = add_verb(verbs, "audit", "GET /v1/audit")
    audit.add_argument("--limit", type=int, default=50)
    audit.add_argument("-o", "--output", choices=output.FORMATS, default="table")
    audit.add_argument("--no-headers", action="store_true")
    audit.set_defaults(func=run(print_audit_trail))
    completion = verbs.add_parser(
        "completion", help="a completion script: source <(kronkeep completion bash)"
    )
    completion.add_argument("shell", choices=("bash", "zsh", "fish"))

    def complete(options: argparse.Namespace) -> int:
        return _completion(whole(), options.shell)

    completion.set_defaults(func=complete)


async def print_audit_trail(client: "Client", options: argparse.Namespace) -> int:
    """Print the audit trail."""
    answer = await client.audit(options.limit)
    output.show("audit", answer.items, options.output, headers=not options.no_headers)
    return 0


async def show(client: "Client", options: argparse.Namespace) -> int:
    """Print one record field by field, then the runs or the backup that belong to it."""
    if options.kind == "cronjob":
        cronjob = await client.cronjobs.get(*split_name(options.id))
        _fields(cronjob)
        runs = await client.runs.list(cronjob_id=cronjob.id, limit=10)
        backups = await client.backups.list(cronjob_id=cronjob.id, limit=10)
        for kind, items in (("executions", runs.items), ("backups", backups.items)):
            if items:
                print(f"\n{kind}:")
                output.show(kind, items, "table")
        return 0
    record: CronJobExecution | BackupExecution | BackupStorage
    if options.kind == "execution":
        record = await client.runs.get(options.id)
    elif options.kind == "backup":
        record = await client.backups.get(options.id)
    else:
        record = await client.storages.get(options.id)
    _fields(record)
    if isinstance(record, CronJobExecution) and record.backup_id:
        print("\nbackup:")
        _fields(await client.backups.get(record.backup_id), "  ")
    return 0


def _fields(record: Any, indent: str = "") -> None:
    values: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(record))
    width = max(map(len, values), default=0)
    for key, value in values.items():
        if isinstance(value, dict) or (isinstance(value, list) and value and isinstance(value[0], dict)):
            value = msgspec.json.encode(value).decode()
        elif isinstance(value, list):
            value = " ".join(map(str, value))
        print(f"{indent}{key.replace('_', ' '):{width}}  {clean(str(value))}")


def _completion_words(parser: argparse.ArgumentParser) -> dict[str, list[str]]:
    """Return what may follow each verb: its options, its own verbs and the choices of its arguments."""
    found: dict[str, list[str]] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found[""] = list(action.choices)
            for verb, below in action.choices.items():
                found[verb] = sorted(
                    {w for a in below._actions for w in [*a.option_strings, *(a.choices or ())]}
                )
    return found


_BASH = """_kronkeep() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} words
    case ${{COMP_CWORD}}:${{COMP_WORDS[1]}} in
    1:*) words="{verbs}" ;;
{cases}
    esac
    COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -o default -F _kronkeep kronkeep
"""


def _completion(parser: argparse.ArgumentParser, shell: str) -> int:
    words = _completion_words(parser)
    verbs = words.pop("")
    if shell == "fish":
        lines = [f"complete -c kronkeep -n __fish_use_subcommand -a '{' '.join(verbs)}'"]
        lines += [
            f"complete -c kronkeep -n '__fish_seen_subcommand_from {verb}' -a '{' '.join(after)}'"
            for verb, after in words.items()
        ]
        print("\n".join(lines))
        return 0
    cases = "\n".join(f'    *:{verb}) words="{" ".join(after)}" ;;' for verb, after in words.items())
    prefix = "autoload -U +X bashcompinit && bashcompinit\n" if shell == "zsh" else ""
    sys.stdout.write(prefix + _BASH.format(verbs=" ".join(verbs), cases=cases))
    return 0

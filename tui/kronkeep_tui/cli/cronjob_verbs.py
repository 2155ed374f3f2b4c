"""The verbs of a CronJob: `trigger`, `suspend`, `resume`, `backup` and `delete`."""

import argparse
from typing import TYPE_CHECKING

from kronkeep_tui.cli import logs, output, wait_for_end
from kronkeep_tui.cli.arguments import CRONJOB_NAME_HELP, add_namespace, read_variables, split_name
from kronkeep_tui.cli.verb import Verbs, add_verb, with_client

if TYPE_CHECKING:
    from kronkeep_common.client import Client
    from kronkeep_common.models import CronJobExecution

_CRONJOB = "/v1/cronjobs/{namespace}/{name}"


def add_parser(verbs: Verbs) -> None:
    """Add the parsers of the CronJob verbs to `verbs`."""
    trigger = _add_cronjob_verb(verbs, "trigger", f"POST {_CRONJOB}/trigger")
    trigger.add_argument("--wait", action="store_true", help="wait until the run and its backup have ended")
    trigger.add_argument("--follow", action="store_true", help="print the run's log, and wait")
    trigger.add_argument(
        "--env", action="append", default=[], metavar="KEY=VALUE", help="a variable for this run only"
    )
    trigger.add_argument(
        "--beside",
        action="store_true",
        help="also while a run goes on, where the concurrencyPolicy is Forbid or Replace",
    )
    trigger.set_defaults(func=with_client(_trigger))
    suspend = _add_cronjob_verb(verbs, "suspend", f"POST {_CRONJOB}/suspend")
    suspend.set_defaults(func=with_client(_suspend))
    resume = _add_cronjob_verb(verbs, "resume", f"POST {_CRONJOB}/resume")
    resume.set_defaults(func=with_client(_resume))
    backup = _add_cronjob_verb(verbs, "backup", f"POST {_CRONJOB}/backup")
    backup.add_argument("--wait", action="store_true", help="wait until the backup has ended")
    backup.add_argument("--full", action="store_true", help="read every file again")
    backup.add_argument("--compression", choices=("off", "auto", "max"), help="for this backup only")
    backup.set_defaults(func=with_client(_back_up))
    delete = _add_cronjob_verb(verbs, "delete", f"DELETE {_CRONJOB}")
    delete.add_argument("--yes", metavar="NAME", help="the CronJob's name again, as confirmation")
    delete.set_defaults(func=with_client(_delete))


def _add_cronjob_verb(verbs: Verbs, name: str, route: str) -> argparse.ArgumentParser:
    verb = add_verb(verbs, name, routes=[route])
    verb.add_argument("name", help=CRONJOB_NAME_HELP)
    add_namespace(verb)
    output.add_json(verb)
    return verb


async def _trigger(client: "Client", options: argparse.Namespace) -> int:
    variables = read_variables(options.env)
    namespace, name = split_name(options.name, options.namespace)
    run = await client.cronjobs.trigger(namespace, name, variables, only_if_idle=not options.beside)
    with_backup = f", backup {run.backup_id}" if run.backup_id else ""
    output.print_answer(run, f"{run.id} {run.status}{with_backup}", options)
    if options.follow:
        await logs.follow_run(client, run.id)
    if options.follow or options.wait:
        return await _wait_for_run_and_backup(client, run)
    return 0


async def _wait_for_run_and_backup(client: "Client", run: "CronJobExecution") -> int:
    ended = await wait_for_end.wait_for_run(client, run.id)
    code = wait_for_end.report(ended)
    if ended.backup_id is None:
        return code
    return code or wait_for_end.report(await wait_for_end.wait_for_backup(client, ended.backup_id))


async def _suspend(client: "Client", options: argparse.Namespace) -> int:
    namespace, name = split_name(options.name, options.namespace)
    cronjob = await client.cronjobs.suspend(namespace, name)
    output.print_answer(cronjob, f"{namespace}/{name} is suspended", options)
    return 0


async def _resume(client: "Client", options: argparse.Namespace) -> int:
    namespace, name = split_name(options.name, options.namespace)
    cronjob = await client.cronjobs.resume(namespace, name)
    output.print_answer(cronjob, f"{namespace}/{name} is resumed", options)
    return 0


async def _back_up(client: "Client", options: argparse.Namespace) -> int:
    backup = await client.cronjobs.back_up(
        *split_name(options.name, options.namespace),
        backup_type="full" if options.full else None,
        compression=options.compression,
    )
    output.print_answer(backup, f"{backup.id} {backup.status}", options)
    if options.wait:
        return wait_for_end.report(await wait_for_end.wait_for_backup(client, backup.id))
    return 0


async def _delete(client: "Client", options: argparse.Namespace) -> int:
    namespace, name = split_name(options.name, options.namespace)
    await client.cronjobs.delete(namespace, name, options.yes or "")
    answer = {"namespace": namespace, "name": name, "deleted": True}
    output.print_answer(answer, f"{namespace}/{name} is deleted; its history stays", options)
    return 0

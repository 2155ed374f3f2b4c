"""`kronkeep VERB ...`: the verbs, their flags, and what becomes of errors.

What the exit codes mean is EXIT_CODES, which `kronkeep --help` shows.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from kronkeep_common.errors import DaemonUnreachable, InvalidRequest, KronkeepError, LogNotFound
from kronkeep_common.text import clean
from kronkeep_tui.cli import applying, demo, describing, output, schedule, waiting

EXIT_REFUSED, EXIT_INPUT, EXIT_UNREACHABLE, EXIT_INTERRUPTED = 1, 2, 3, 130
EXIT_CODES = """exit codes:
  0    done
  1    refused or failed; with --wait or --follow: the run or its backup did not succeed
  2    bad input
  3    no daemon answers at the socket
  130  interrupted"""
KINDS = ("cronjobs", "executions", "backups", "storages", "policies", "manifests")


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="kronkeep",
        description="Scheduled jobs and their backups on Kubernetes.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--host", metavar="ssh://[USER@]HOST", help="a daemon on another machine, through ssh")
    top.add_argument(
        "--socket", type=Path, help="the daemon's socket (default: $KRONKEEP_SOCKET, or the system's)"
    )
    verbs = top.add_subparsers(dest="verb", metavar="VERB", required=True)
    _get(verbs)
    _create(verbs)
    for verb, words in (
        ("trigger", "run a CronJob now"),
        ("suspend", "stop new runs"),
        ("resume", "allow new runs from the next slot on"),
        ("backup", "back up a CronJob's claims now"),
        ("delete", "delete a CronJob; its history stays"),
    ):
        _cronjob_verb(verbs, verb, words)
    logs = verbs.add_parser("logs", help="a run's log, live or as it was kept")
    logs.add_argument("id", help="the run's id")
    logs.add_argument("-f", "--follow", action="store_true")
    logs.set_defaults(func=_run(_logs))
    _storage(verbs)
    applying.add_parser(verbs, _run)
    describing.add_parser(verbs, _run, parser)
    waiting.add_parser(verbs, _run)
    terminal = verbs.add_parser("terminal", help="the terminal (also: kronkeep without arguments)")
    terminal.add_argument("--read-only", action="store_true")
    terminal.set_defaults(func=_terminal)
    schedule.add_parser(verbs)
    demo.add_parser(verbs)
    return top


def _get(verbs: Any) -> None:
    get = verbs.add_parser("get", help=f"list {', '.join(KINDS[:-1])} or {KINDS[-1]}")
    get.add_argument("kind", choices=KINDS)
    get.add_argument("id", nargs="?", help="NAMESPACE/NAME of a CronJob, else an id: only this one, whole")
    get.add_argument("--filter", help="such as 'status:failed ns:pay age:<24h'")
    where = get.add_mutually_exclusive_group()
    where.add_argument("-n", "--namespace", help="only this one")
    where.add_argument("-A", "--all-namespaces", action="store_true", help="all of them, as without -n")
    get.add_argument("--limit", type=int)
    get.add_argument(
        "--sort-by", metavar="FIELD", help="a field of the JSON, such as created_at; -FIELD turns it"
    )
    get.add_argument("-o", "--output", choices=output.FORMATS, default="table")
    get.add_argument("--no-headers", action="store_true")
    get.set_defaults(func=_run(_list))


def _create(verbs: Any) -> None:
    create = verbs.add_parser("create", help="create a CronJob, with a backup policy when --storage is given")
    create.usage = "%(prog)s (-f FILE | NAME --image IMAGE --schedule CRON) [options] [-- COMMAND ...]"
    create.add_argument("name", nargs="?", help="NAMESPACE/NAME, or NAME in the namespace default")
    create.add_argument("-f", "--file", action="append", help="manifests, as those of apply, of what is new")
    create.add_argument("--image")
    create.add_argument("--schedule")
    create.add_argument("--zone", help="an IANA time zone")
    create.add_argument("--env", action="append", default=[], metavar="K=V")
    create.add_argument("--mount", action="append", default=[], metavar="CLAIM:PATH")
    create.add_argument("--storage", help="back up to this storage")
    create.add_argument("--backup-schedule", help="default: after each run")
    create.add_argument("--retention-days", type=int, default=30)
    create.add_argument("--full", action="store_true", help="read every file again at each backup")
    create.add_argument("--compression", choices=("off", "auto", "max"), default="auto")
    create.add_argument("--on-conflict", choices=("reject", "after-run", "accept"), default="reject")
    create.add_argument("--dry-run", action="store_true")
    create.set_defaults(func=_run(_create_one))


def _cronjob_verb(verbs: Any, verb: str, words: str) -> None:
    one = verbs.add_parser(verb, help=words)
    one.add_argument("name", help="NAMESPACE/NAME, or NAME in the namespace default")
    one.add_argument("-n", "--namespace", default="default", help="where NAME alone is")
    if verb in ("trigger", "backup"):
        one.add_argument("--wait", action="store_true", help="until the run and its backup have ended")
    if verb == "trigger":
        one.add_argument("--follow", action="store_true", help="show the run's log, and wait")
        one.add_argument("--env", action="append", default=[], metavar="K=V", help="for this run only")
    if verb == "delete":
        one.add_argument("--yes", metavar="NAME", help="the CronJob's name, as confirmation")
    if verb == "backup":
        one.add_argument("--full", action="store_true", help="read every file again")
    one.set_defaults(func=_run(_act))


def _storage(verbs: Any) -> None:
    storage = verbs.add_parser("storage", help="create, check, measure or delete a storage")
    below = storage.add_subparsers(dest="storage_verb", required=True, metavar="VERB")
    create = below.add_parser("create", help="create a storage and its repository")
    create.add_argument("name")
    create.add_argument("--kind", default="local")
    create.add_argument("--set", action="append", default=[], metavar="K=V", help="the kind's own settings")
    create.set_defaults(func=_run(_storage_act))
    for verb, words in (("check", "run restic check"), ("usage", "measure it"), ("delete", "forget it")):
        one = below.add_parser(verb, help=words)
        one.add_argument("name")
        if verb == "delete":
            one.add_argument("--yes", metavar="NAME", help="the storage's name, as confirmation")
        one.set_defaults(func=_run(_storage_act))


def _run(work: Callable[[Any, argparse.Namespace], Awaitable[int]]) -> Callable[[argparse.Namespace], int]:
    def start(options: argparse.Namespace) -> int:
        async def once() -> int:
            from kronkeep_common.client import Client

            async with Client(options.socket) as client:
                return await work(client, options)

        return asyncio.run(once())

    return start


def _split(name: str, otherwise: str = "default") -> tuple[str, str]:
    namespace, slash, rest = name.partition("/")
    return (namespace, rest) if slash else (otherwise, name)


def _pairs(words: list[str], sign: str = "=") -> dict[str, str]:
    for word in words:
        if sign not in word:
            raise InvalidRequest(f"{clean(repr(word), 80)} is not like KEY{sign}VALUE.")
    return dict(word.split(sign, 1) for word in words)


def _env(words: list[str]) -> tuple[Any, ...]:
    from kronkeep_common.models import EnvVar

    return tuple(EnvVar(name=key, value=value) for key, value in _pairs(words).items())


async def _list(client: Any, options: argparse.Namespace) -> int:
    if options.id:
        return await _one(client, options)
    terms = [options.filter] if options.filter else []
    terms += [f"ns:{options.namespace}"] if options.namespace else []
    if options.kind == "cronjobs":
        answer = await client.cronjobs(options.namespace)
    elif options.kind in ("storages", "policies", "manifests"):
        answer = await getattr(client, options.kind)()
    else:
        answer = await getattr(client, options.kind)(filter=" ".join(terms) or None, limit=options.limit)
    items = output.ordered(answer.items, options.sort_by) if options.sort_by else answer.items
    output.show(options.kind, items, options.output, headers=not options.no_headers)
    return 0


async def _one(client: Any, options: argparse.Namespace) -> int:
    if options.kind in ("policies", "manifests"):
        words = f"There is no way to ask for one of the {options.kind}."
        raise InvalidRequest(words, next_step=f"kronkeep get {options.kind}.")
    if options.kind == "cronjobs":
        record = await client.cronjob(*_split(options.id))
    else:
        record = await getattr(client, options.kind.removesuffix("s"))(options.id)
    output.document(record, "yaml" if options.output in ("table", "wide", "yaml", "name") else "json")
    return 0


async def _create_one(client: Any, options: argparse.Namespace) -> int:
    from kronkeep_common.models import BackupPolicySpec, CronJobCreate, Retention, VolumeMount

    if options.file:
        return await applying.create_files(client, options)
    if not (options.name and options.image and options.schedule):
        raise InvalidRequest("A CronJob needs its name, --image and --schedule, or -f FILE.")
    namespace, name = _split(options.name)
    policy = None
    if options.storage:
        policy = BackupPolicySpec(
            storage_id=options.storage,
            schedule=options.backup_schedule,
            backup_type="full" if options.full else "incremental",
            compression=options.compression,
            retention=Retention(days=options.retention_days),
            on_conflict=options.on_conflict,
        )
    mounts = _pairs(options.mount, ":")
    spec = CronJobCreate(
        namespace=namespace,
        name=name,
        image=options.image,
        schedule=options.schedule,
        time_zone=options.zone,
        command=tuple(options.command),
        env=_env(options.env),
        volumes=tuple(VolumeMount(claim=claim, mount_path=path) for claim, path in mounts.items()),
        policy=policy,
    )
    created = await client.create_cronjob(spec, dry_run=options.dry_run)
    verb = "would run" if options.dry_run else "runs"
    print(f"{created.namespace}/{created.name} {verb} {created.schedule_text}")
    return 0


async def _act(client: Any, options: argparse.Namespace) -> int:
    namespace, name = _split(options.name, options.namespace)
    if options.verb == "trigger":
        run = await client.trigger(namespace, name, _env(options.env))
        print(f"{run.id} {run.status}" + (f", backup {run.backup_id}" if run.backup_id else ""))
        if options.follow:
            await _show_log(client, run.id)
        if options.follow or options.wait:
            return await _until_ended(client, run)
    elif options.verb == "backup":
        backup = await client.back_up(namespace, name, "full" if options.full else None)
        print(f"{backup.id} {backup.status}")
        if options.wait:
            return waiting.told(await waiting.backup_ended(client, backup.id))
    elif options.verb == "delete":
        await client.delete_cronjob(namespace, name, options.yes or "")
        print(f"{namespace}/{name} is deleted; its history stays")
    else:
        await getattr(client, options.verb)(namespace, name)
        print(f"{namespace}/{name} is {'suspended' if options.verb == 'suspend' else 'resumed'}")
    return 0


async def _until_ended(client: Any, run: Any) -> int:
    ended = await waiting.run_ended(client, run.id)
    if ended.backup_id is None:
        return waiting.told(ended)
    return waiting.told(ended) or waiting.told(await waiting.backup_ended(client, ended.backup_id))


async def _show_log(client: Any, run_id: str) -> None:
    """The log from the run's first byte to its last; a run that has not begun yet is waited for."""
    while (await client.execution(run_id)).status == "pending":  # noqa: ASYNC110 - another process
        await asyncio.sleep(waiting.STEP)
    try:
        await _copy(client.log(run_id, follow=True))
    except LogNotFound as none:
        sys.stderr.write(clean(none.message, 500) + "\n")


async def _logs(client: Any, options: argparse.Namespace) -> int:
    await _copy(client.log(options.id, follow=options.follow))
    return 0


async def _copy(chunks: AsyncIterator[bytes]) -> None:
    """Text to standard output, line by line, without what a terminal would obey."""
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            sys.stdout.write(clean(line.decode(errors="replace")) + "\n")
        sys.stdout.flush()
    if rest:
        sys.stdout.write(clean(rest.decode(errors="replace")) + "\n")


async def _storage_act(client: Any, options: argparse.Namespace) -> int:
    from kronkeep_common.models import BackupStorageCreate

    if options.storage_verb == "create":
        wanted = BackupStorageCreate(id=options.name, kind=options.kind, settings=_pairs(options.set))
        storage = await client.create_storage(wanted)
    elif options.storage_verb == "delete":
        await client.delete_storage(options.name, options.yes or "")
        print(f"{options.name} is forgotten; its data stays where it is")
        return 0
    elif options.storage_verb == "check":
        storage = await client.check_storage(options.name)
    else:
        storage = await client.measure_storage(options.name)
    print(f"{storage.id} {storage.status}" + (f": {storage.message}" if storage.message else ""))
    return 0


def _terminal(options: argparse.Namespace) -> int:
    from kronkeep_tui.__main__ import open_terminal

    return open_terminal(options.socket, read_only=options.read_only)


def main(argv: list[str]) -> int:
    """Runs one command line; errors are a sentence, the next step and the code on standard error."""
    try:
        before, command = _without_command(argv)
        options = parser().parse_args(before)
        options.command = command
        if options.host is None:
            return int(options.func(options))
        from kronkeep_tui.cli import remote

        with remote.forwarded(options.host) as options.socket:
            return int(options.func(options))
    except DaemonUnreachable as error:
        return _tell(error, EXIT_UNREACHABLE)
    except InvalidRequest as error:
        return _tell(error, EXIT_INPUT)
    except KronkeepError as error:
        return _tell(error, EXIT_REFUSED)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_REFUSED


def _without_command(argv: list[str]) -> tuple[list[str], list[str]]:
    """`create`'s flags and, after `--`, the command of the container."""
    if "create" not in argv or "--" not in argv:
        return argv, []
    place = argv.index("--")
    return argv[:place], argv[place + 1 :]


def _tell(error: KronkeepError, code: int) -> int:
    sys.stderr.write(
        f"kronkeep: {clean(error.message, 2000)}\n{clean(error.next_step, 500)} [{error.code}]\n"
    )
    return code

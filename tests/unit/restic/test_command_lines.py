"""The command line of every subcommand of restic that kronkeep runs, word for word."""

import pytest

from kronkeep_daemon.restic import (
    backup,
    cat,
    check,
    forget,
    init,
    keys,
    locks,
    ls,
    prune,
    restore,
    snapshots,
    stats,
    version,
)
from kronkeep_daemon.restic.command_line import complete

WHOLE = backup.BackupOptions(
    host="kronkeep",
    tags=snapshots.SnapshotTags(policy="p", run="r", backup="b"),
    compression="auto",
    force=False,
)
DUMP = backup.BackupOptions(
    host="kronkeep",
    tags=snapshots.SnapshotTags(policy="p", run="r", backup="b", part="database"),
    compression="max",
    force=True,
)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (
            backup.argv(WHOLE, ["/source/data"]),
            "restic backup --json --host kronkeep --compression auto --tag policy=p --tag run=r "
            "--tag backup=b -- /source/data",
        ),
        (
            backup.dump_argv(DUMP, "dump.sql", ["pg_dump", "shop"]),
            "restic backup --json --host kronkeep --compression max --tag policy=p --tag run=r "
            "--tag backup=b --tag part=database --force --stdin-from-command --stdin-filename dump.sql "
            "-- pg_dump shop",
        ),
        (
            backup.dry_run_argv(host="kronkeep", parent="0123abcd", paths=["/source/data"]),
            "restic backup --no-lock --dry-run --json --verbose=2 --host kronkeep --parent 0123abcd "
            "-- /source/data",
        ),
        (cat.argv(), "60 restic cat config"),
        (check.argv(), "restic check"),
        (check.argv(check.DataSubset(part=2, parts=30)), "restic check --read-data-subset=2/30"),
        (forget.argv(["01", "23"]), "restic forget 01 23"),
        (init.argv(), "300 restic init"),
        (keys.argv(), "60 restic list keys --no-lock"),
        (locks.cat_argv("01"), "restic cat lock 01 --no-lock"),
        (locks.list_argv(), "restic list locks --no-lock"),
        (locks.unlock_argv(remove_all=False), "restic unlock"),
        (locks.unlock_argv(remove_all=True), "restic unlock --remove-all"),
        (ls.argv("01"), "restic ls --no-lock --json 01"),
        (prune.argv(), "restic prune"),
        (prune.argv(repack=False), "restic prune --max-repack-size 0"),
        (restore.argv("01", "/content"), "restic restore --no-lock 01 --target /content"),
        (
            restore.argv("01", "/target", patterns=["/a", "/b"], verify=True),
            "restic restore --no-lock 01 --target /target --verify --json --include /a --include /b",
        ),
        (
            snapshots.argv(snapshots.backup_tag("b"))[4:],
            "restic snapshots --no-lock --json --tag backup=b",
        ),
        (stats.argv(), "restic stats --no-lock --json --mode raw-data"),
        (version.argv(), "restic version"),
    ],
)
def test_the_command_line_of_a_subcommand(argv: list[str], words: str) -> None:
    assert argv[-len(words.split(" ")) :] == words.split(" ")
    assert argv[0] in ("restic", "sh")


def test_global_options_go_between_the_program_and_the_subcommand() -> None:
    completed = complete(cat.argv(), program="/usr/bin/restic", options=("-o", "s3.region=eu-1"))
    assert completed[-6:] == ["60", "/usr/bin/restic", "-o", "s3.region=eu-1", "cat", "config"]


def test_the_command_line_of_another_program_gets_no_options() -> None:
    assert complete(["ls", "-d"], program="/usr/bin/restic", options=("-o", "x=y")) == ["ls", "-d"]

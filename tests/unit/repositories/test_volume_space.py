"""What is said about a full storage: how much is free there, how much the way out needs, and how to go it."""

import pytest
from tests.records import vault

from kronkeep_daemon.jobs.outcome import ContainerResult, FinishedJob
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.repositories.volume_space import (
    FullVolume,
    describe_way_out,
    full_volume_steps,
    parse_full_volume,
)

KIB = 1024


def job(**logs: bytes) -> FinishedJob:
    containers = tuple(ContainerResult(name=name, exit_code=0, log=log) for name, log in logs.items())
    return FinishedJob(complete=True, reason="", message="", containers=containers, pod="pod")


@pytest.mark.parametrize(
    ("free", "words"),
    [
        (192 * KIB, "192.0 KiB are free there, and forgetting and pruning need 28.0 KiB (a lock, an index)"),
        (
            0,
            "Only 0 B are free there, and even forgetting and pruning need 28.0 KiB (a lock, an index): free",
        ),
        (5 * KIB**3, "Its file system has 5.0 GiB free, so a quota or its number of files is used up"),
    ],
)
def test_the_next_step_says_what_is_free_and_what_is_needed(free: int, words: str) -> None:
    text = describe_way_out(FullVolume(free_bytes=free, index_bytes=20 * KIB), "vault")
    assert text.startswith(words)
    assert "kronkeep retention NAMESPACE/CRONJOB --apply" in text
    assert "kronkeep storage prune vault" in text
    assert text.endswith("Restores work meanwhile.")


def test_a_mounted_storage_is_measured_and_a_server_is_not() -> None:
    local = Repository(storage=vault(settings={"path": "/srv/vault"}))
    assert dict(full_volume_steps(local))["index"][-1] == "/repository/index"
    assert dict(full_volume_steps(local._replace(folder="policy-p")))["index"][-1] == (
        "/repository/policy-p/index"
    )
    server = vault(kind="s3", settings={"endpoint": "https://s3", "bucket": "backups"})
    assert full_volume_steps(Repository(storage=server)) == []


def test_figures_that_are_missing_are_not_made_up() -> None:
    assert parse_full_volume(job(space=b"4096 1536 48\n", index=b"20\t/repository/index\n")) == FullVolume(
        free_bytes=192 * KIB, index_bytes=20 * KIB
    )
    assert parse_full_volume(job(space=b"4096 1536 48\n", index=b"du: no such file\n")) is None
    assert parse_full_volume(job(index=b"20\t/repository/index\n")) is None

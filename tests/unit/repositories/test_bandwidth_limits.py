"""The limit of the network in a Job's command lines."""

from datetime import UTC, datetime

import pytest
from tests.records import vault

from kronkeep_common.models import BackupStorage
from kronkeep_daemon.repositories.job_manifests import LIMIT_PLACEHOLDER, build_repository_job, with_limit
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.settings import ArchiveSettings

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
ARCHIVE = ["restic", "backup", "--limit-upload", "2048", "--", "/source"]


def storage(name: str, bandwidth: str | None) -> BackupStorage:
    return vault(id=name, settings={"path": f"/{name}"}, bandwidth=bandwidth)


def command(repository: Repository, kib: int | None) -> list[str]:
    """Return the command line of an archive with the limit."""
    job = build_repository_job(
        name="j",
        namespace="n",
        steps=[("backup", ARCHIVE)],
        repository=repository,
        settings=ArchiveSettings(),
        deadline_seconds=60,
    )
    container = with_limit(job, kib)["spec"]["template"]["spec"]["containers"][0]
    words: list[str] = container["command"]
    return words


@pytest.mark.parametrize(
    ("kib", "everywhere", "upload"), [(None, "0", "2048"), (512, "512", "512"), (4096, "4096", "2048")]
)
def test_the_lower_limit_of_storage_and_policy_holds(kib: int | None, everywhere: str, upload: str) -> None:
    words = command(Repository(storage=storage("a", "else 1 MiB/s")), kib)
    assert words[1:5] == ["--limit-upload", everywhere, "--limit-download", everywhere]
    assert words[5:8] == ["backup", "--limit-upload", upload]


def test_a_storage_without_limits_has_no_options_of_them() -> None:
    words = command(Repository(storage=storage("a", None)), None)
    assert LIMIT_PLACEHOLDER not in words
    assert words[1] == "backup"


def test_a_copy_has_the_lower_limit_of_both_storages() -> None:
    for first, second, limit in (
        ("else 1 MiB/s", "else 2 MiB/s", 1024),
        (None, "else 2 MiB/s", 2048),
        ("else 1 MiB/s", "12:00-13:00 512 KiB/s, else unlimited", 512),
        (None, None, None),
    ):
        both = Repository(storage=storage("b", second)).with_source(Repository(storage=storage("a", first)))
        assert both.limit_at(NOW) == limit
        assert both.has_bandwidth is (limit is not None)

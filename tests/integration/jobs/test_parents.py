"""Which snapshot restic takes for the parent of an archive, with the restic of this machine."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.quick_repository import write_quick_repository
from tests.records import make_backup, vault

from kronkeep_common.models import BackupExecution
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.restic import backup
from kronkeep_daemon.restic.snapshots import SnapshotTags

pytestmark = pytest.mark.skipif(shutil.which("restic") is None, reason="needs restic")
FILES = 200


def test_an_archive_of_another_namespace_is_not_the_parent(tmp_path: Path) -> None:
    environment = os.environ | {
        "RESTIC_REPOSITORY": str(tmp_path / "repository"),
        "RESTIC_PASSWORD": "secret",
        "RESTIC_CACHE_DIR": str(tmp_path / "cache"),
    }
    write_quick_repository(tmp_path / "repository", "secret")
    repository = Repository(storage=vault(settings={"path": str(tmp_path / "repository")}))
    source = tmp_path / "source"

    def unmodified_files(archived: BackupExecution, name: str) -> int:
        """Archive the claim of a namespace at the one path that both have; return what was not read."""
        (tmp_path / name).rename(source)
        tags = SnapshotTags(policy="p", run="r", backup=archived.id)
        host = repository.snapshot_host(archived)
        options = backup.BackupOptions(host=host, tags=tags, compression="auto", force=False)
        log = subprocess.run(
            backup.argv(options, [str(source)]), env=environment, check=True, stdout=subprocess.PIPE
        ).stdout
        source.rename(tmp_path / name)
        result = backup.parse_summary(log, "")
        assert result is not None
        return result.files_unmodified

    for name in ("shop", "blog"):
        (tmp_path / name).mkdir()
        for number in range(FILES):
            (tmp_path / name / str(number)).write_text(f"{name} {number}")
    shop = make_backup(namespace="shop", storage_id="vault")
    blog = make_backup(namespace="blog", storage_id="vault")
    assert unmodified_files(shop, "shop") == 0
    assert unmodified_files(blog, "blog") == 0
    assert unmodified_files(shop, "shop") == FILES
    assert unmodified_files(blog, "blog") == FILES

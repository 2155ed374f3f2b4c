"""Which backup a CronJob's name means: the newest good one, of deleted CronJobs too; an id means itself."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.records import make_backup

from kronkeep_common.client import Client
from kronkeep_common.errors import BackupNotFound, CronJobNotFound, ExecutionNotFound, InvalidFilter
from kronkeep_common.models import BackupResult
from kronkeep_common.models.restorable import RestorableBackup
from kronkeep_tui.cli.record_ids import find_backup_id, find_run_id

PARTIAL = make_backup(id="partial", result=BackupResult(snapshot_id="5" * 64))


def restorable(cronjob: str, backup_id: str | None, *, is_there: bool = True) -> RestorableBackup:
    return RestorableBackup(
        cluster="c", namespace="shop", cronjob=cronjob, cronjob_id="u", id=backup_id, is_there=is_there
    )


class Answers:
    """A client of a daemon with these restorable backups, and the CronJob `db` if `is_there`."""

    def __init__(
        self,
        *items: RestorableBackup,
        is_there: bool = True,
        kept: tuple[object, ...] = (),
        run: str | None = None,
    ) -> None:
        self._items = list(items)
        self._is_there = is_there
        self._kept = list(kept)
        self._run = run
        self.restores = self
        self.cronjobs = self
        self.runs = SimpleNamespace(get=self._read_record)
        self.backups = SimpleNamespace(get=self._read_record, list=self._list_backups)

    async def restorable(self, filter: str, namespace: str) -> object:
        if namespace != "shop":
            raise InvalidFilter("No such namespace.")
        return SimpleNamespace(items=self._items)

    async def get(self, namespace: str, name: str) -> object:
        if not self._is_there or namespace != "shop":
            raise CronJobNotFound("There is no such CronJob.")
        return SimpleNamespace(id="u", last_execution_id=self._run)

    async def _read_record(self, record_id: str) -> object:
        if record_id != "run-7":
            raise ExecutionNotFound("There is no such record.")
        return SimpleNamespace(id=record_id)

    async def _list_backups(self, filter: str, *, limit: int, cronjob_id: str) -> object:
        assert filter == "snapshot:present"
        return SimpleNamespace(items=self._kept)


@pytest.mark.parametrize(
    ("name", "client", "backup_id"),
    [
        ("4f7a99", Answers(), "4f7a99"),
        ("other/4f7a99", Answers(is_there=False), "4f7a99"),
        ("run-7", Answers(is_there=False), "run-7"),  # an id that does not look like one
        ("shop/db", Answers(restorable("db-2", "no"), restorable("db", "good"), kept=(PARTIAL,)), "good"),
        ("shop/db", Answers(restorable("db", None), kept=(PARTIAL,)), "partial"),
        ("shop/db", Answers(restorable("db", "gone", is_there=False), is_there=False), "gone"),
        ("shop/db", Answers(restorable("db", "old", is_there=False), restorable("db", "new")), "new"),
    ],
)
async def test_which_backup_a_name_means(name: str, client: Answers, backup_id: str) -> None:
    assert await find_backup_id(cast(Client, client), name) == backup_id


@pytest.mark.parametrize("find", [find_backup_id, find_run_id])
async def test_a_name_without_a_namespace_is_of_the_one_that_is_asked_for(find: Any) -> None:
    client = cast(Client, Answers(restorable("db", "good"), run="newest"))
    assert await find(client, "db", "shop") in ("good", "newest")
    with pytest.raises(CronJobNotFound):
        await find(client, "db")


@pytest.mark.parametrize("name", ["shop/nope", "nope"])
@pytest.mark.parametrize("find", [find_backup_id, find_run_id])
async def test_what_is_neither_an_id_nor_a_cronjob_is_no_cronjob(find: Any, name: str) -> None:
    with pytest.raises(CronJobNotFound):
        await find(cast(Client, Answers(is_there=False)), name)


async def test_a_cronjob_of_which_nothing_is_kept_is_reported() -> None:
    with pytest.raises(BackupNotFound, match="No snapshot of shop/db is kept"):
        await find_backup_id(cast(Client, Answers(restorable("db", None))), "shop/db")

"""Which backup a CronJob's name means: the newest good one, of deleted CronJobs too; an id means itself."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.records import make_backup, make_run

from kronkeep_common.api import ClusterView, ListOf
from kronkeep_common.client import Client
from kronkeep_common.errors import BackupNotFound, Conflict, CronJobNotFound, ExecutionNotFound, InvalidFilter
from kronkeep_common.models import BackupExecution, BackupResult, CronJobExecution
from kronkeep_common.models.restorable import RestorableBackup
from kronkeep_tui.cli.record_ids import find_backup_id, find_run_id

PARTIAL = make_backup(id="partial", result=BackupResult(snapshot_id="5" * 64))


def restorable(
    cronjob: str, backup_id: str | None, *, is_there: bool = True, cluster: str = "c"
) -> RestorableBackup:
    return RestorableBackup(
        cluster=cluster, namespace="shop", cronjob=cronjob, cronjob_id="u", id=backup_id, is_there=is_there
    )


class Answers:
    """A client of a daemon with these restorable backups, and the CronJob `db` if `is_there`."""

    def __init__(
        self,
        *items: RestorableBackup,
        is_there: bool = True,
        kept: tuple[object, ...] = (),
        run: str | None = None,
        of_deleted: tuple[CronJobExecution | BackupExecution, ...] = (),
        cluster: str | None = None,
        stale_since: datetime | None = None,
    ) -> None:
        self._items = list(items)
        self._stale_since = stale_since
        self.cluster = cluster
        self._is_there = is_there
        self._kept = list(kept)
        self._run = run
        self._of_deleted = of_deleted
        self.restores = self
        self.cronjobs = self
        self.runs = SimpleNamespace(get=self._read_record, list=self._list_of_deleted)
        self.backups = SimpleNamespace(get=self._read_record, list=self._list_backups)

    async def restorable(self, filter: str, namespace: str) -> object:
        if namespace != "shop":
            raise InvalidFilter("No such namespace.")
        ids = sorted({item.cluster for item in self._items})
        clusters = [ClusterView(id=each, name=f"{each}-name") for each in ids] if len(ids) > 1 else []
        return ListOf(items=self._items, clusters=clusters, stale_since=self._stale_since)

    async def get(self, namespace: str, name: str) -> object:
        if not self._is_there or namespace != "shop":
            raise CronJobNotFound("There is no such CronJob.")
        return SimpleNamespace(id="u", last_execution_id=self._run)

    async def _read_record(self, record_id: str) -> object:
        if record_id != "run-7":
            raise ExecutionNotFound("There is no such record.")
        return SimpleNamespace(id=record_id)

    async def _list_backups(
        self, filter: str, *, limit: int, cronjob_id: str | None = None, cronjob: str | None = None
    ) -> object:
        assert filter.startswith("snapshot:present")
        if cronjob is not None:
            return await self._list_of_deleted(filter, limit=limit, cronjob=cronjob)
        return SimpleNamespace(items=self._kept)

    async def _list_of_deleted(self, filter: str, *, limit: int, cronjob: str) -> object:
        """The records of a deleted CronJob, newest first, with a filter of clusters as the daemon has it."""
        if "ns:shop" not in filter.split():
            raise InvalidFilter("No such namespace.")
        items = [record for record in self._of_deleted if record.cronjob == cronjob]
        for term in filter.split():
            key, _, value = term.partition(":")
            items = [
                record
                for record in items
                if "cluster" not in key
                or (value in (record.cluster, f"{record.cluster}-name")) == (key[0] != "!")
            ]
        ids = sorted({record.cluster for record in self._of_deleted})
        clusters = [ClusterView(id=each, name=f"{each}-name") for each in ids] if len(ids) > 1 else []
        return ListOf(items=items[:limit], clusters=clusters)


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


PROD = restorable("db", "prod", cluster="c")
STAGING = restorable("db", "staging", cluster="d")
GONE = restorable("db", "gone", is_there=False, cluster="d")


@pytest.mark.parametrize(
    ("client", "backup_id"),
    [
        (Answers(PROD, STAGING, cluster="d-name"), "staging"),
        (Answers(PROD, STAGING, cluster="c"), "prod"),
        (Answers(PROD, GONE), "prod"),
        (Answers(restorable("db", None, cluster="c"), GONE, kept=(PARTIAL,)), "partial"),
    ],
)
async def test_of_a_name_on_several_clusters_the_one_that_is_asked_for_is_meant(
    client: Answers, backup_id: str
) -> None:
    assert await find_backup_id(cast(Client, client), "shop/db") == backup_id


@pytest.mark.parametrize(
    "client",
    [
        Answers(PROD, STAGING),
        Answers(PROD, GONE, stale_since=datetime(2026, 1, 1, tzinfo=UTC)),
        Answers(restorable("db", "old", is_there=False), GONE, is_there=False),
    ],
)
async def test_a_name_on_several_clusters_is_no_backup(client: Answers) -> None:
    with pytest.raises(Conflict, match="c-name, d-name each have a shop/db") as refusal:
        await find_backup_id(cast(Client, client), "shop/db")
    assert "kronkeep get backups -n shop" in refusal.value.next_step


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


LAST_RUN = make_run(id="last", cluster="c", namespace="shop", cronjob="db")
OTHER_RUN = make_run(id="other", cluster="d", namespace="shop", cronjob="db")


async def test_a_deleted_cronjob_stands_for_its_newest_run() -> None:
    """Its log is kept, and whoever looks for it has only the name."""
    alike = make_run(id="alike", namespace="shop", cronjob="db-2")
    answers = Answers(is_there=False, of_deleted=(alike, LAST_RUN))
    assert await find_run_id(cast(Client, answers), "shop/db") == "last"
    with pytest.raises(CronJobNotFound):
        await find_run_id(cast(Client, answers), "shop/never")


async def test_of_a_deleted_cronjob_of_which_no_backup_is_good_a_kept_snapshot_is_found() -> None:
    partial = make_backup(id="partial", namespace="shop", cronjob="db", status="partial")
    answers = Answers(is_there=False, of_deleted=(partial,))
    assert await find_backup_id(cast(Client, answers), "shop/db") == "partial"


async def test_a_deleted_name_on_several_clusters_is_no_run() -> None:
    answers = Answers(is_there=False, of_deleted=(LAST_RUN, OTHER_RUN))
    with pytest.raises(Conflict, match="c-name, d-name each have a shop/db with executions") as refusal:
        await find_run_id(cast(Client, answers), "shop/db")
    assert "kronkeep get executions -n shop" in refusal.value.next_step
    one = Answers(is_there=False, of_deleted=(LAST_RUN, OTHER_RUN), cluster="d-name")
    assert await find_run_id(cast(Client, one), "shop/db") == "other"

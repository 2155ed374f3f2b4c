"""The Overview's sections: what failed is marked, hours of many failures are told, all sections fit."""

from datetime import timedelta

import msgspec
from tests.records import make_backup, make_run, vault_with_usage
from tests.ui.canned import BAD, NOW, OK, cronjob, run

from kronkeep_common import api
from kronkeep_common.models.backup import Progress
from kronkeep_common.states import BackupStatus, ExecutionStatus, StorageStatus
from kronkeep_tui.pages import jobs
from kronkeep_tui.pages import overview as page
from kronkeep_tui.store import Store, store_from
from kronkeep_tui.widgets.cells import Drawing, plain

DAYS = timedelta(days=2)


def busy_store() -> Store:
    """A failed storage, twelve failures within the hour, six CronJobs that are due, and one good run."""
    vault = vault_with_usage(used_bytes=1, capacity_bytes=None)
    failed = [
        msgspec.structs.replace(run("a", BAD), id=f"r{number}", created_at=NOW - timedelta(minutes=5))
        for number in range(12)
    ]
    snapshot = api.Snapshot(
        seq=1,
        now=NOW,
        version="1",
        cronjobs=[cronjob(f"job-{number}") for number in range(6)],
        executions=[*failed, run("good", OK), msgspec.structs.replace(run("old", OK), created_at=NOW - DAYS)],
        backups=[],
        storages=[msgspec.structs.replace(vault, status=StorageStatus.FAILED)],
        watches=[],
    )
    return store_from(snapshot)


def test_fail_of_a_storage_is_the_thing_that_is_marked() -> None:
    line = next(line for line in page.storages(busy_store(), NOW, 60) if "FAIL" in plain(line))
    roles = dict(line)
    assert (roles["FAIL"], roles["not checked"]) == ("bad", "quiet")


def test_an_hour_with_more_than_nine_failures_says_so() -> None:
    title, _, bad = page.last_day(busy_store(), NOW, 60)
    assert plain(bad).split()[1][-1] == "+"
    assert plain(bad).endswith("12")
    drawn = bad[1][0]
    assert isinstance(drawn, Drawing)
    assert drawn.words == "12 in the last hour"
    assert "+ is more than 9" in plain(title) or "read since" in plain(title)


def test_all_sections_are_there_in_eleven_lines() -> None:
    store = busy_store()
    text = [plain(line) for line in page.column(page.RIGHT, store, NOW, 38, 11)]
    assert any(line.startswith("SUCCESS") for line in text[:11])
    assert any("%" in line for line in text[:11])
    assert len(page.column(page.RIGHT, store, NOW, 38)) > 12


def test_what_runs_and_is_held_up_says_by_what() -> None:
    archiving = {
        "status": BackupStatus.RUNNING,
        "progress": Progress(percent=100, bytes_done=60, bytes_total=60),
        "started_at": NOW - DAYS,
    }
    silent = {"reason": "NodeNotReady", "message": "The node node-1 does not answer.", "next_step": "Look."}
    backups = [
        make_backup(
            id="b1", namespace="default", cronjob_id="id-lost", cronjob="lost", **archiving, **silent
        ),
        make_backup(id="b2", namespace="default", cronjob_id="id-well", cronjob="well", **archiving),
        make_backup(
            id="b3", namespace="default", cronjob="turn", status=BackupStatus.QUEUED, reason="RepositoryBusy"
        ),
    ]
    runs = [
        make_run(
            id="r1",
            namespace="default",
            cronjob="held",
            status=ExecutionStatus.PENDING,
            reason="ImagePullFailed",
        ),
        make_run(
            id="r2",
            namespace="default",
            cronjob="fine",
            status=ExecutionStatus.RUNNING,
            started_at=NOW - DAYS,
        ),
    ]
    cronjobs = [cronjob("lost"), cronjob("well")]
    store = store_from(
        api.Snapshot(
            seq=1,
            now=NOW,
            version="1",
            cronjobs=cronjobs,
            executions=runs,
            backups=backups,
            storages=[],
            watches=[],
        )
    )
    for width in (38, 80):
        lines = {line[1][0].strip(): line for line in page.running(store, NOW, width)[1:]}
        text = {name: plain(line) for name, line in lines.items()}
        assert ("NodeNotReady", "warn") in lines["lost"]
        assert "%" not in text["lost"]
        assert "100%" in text["well"]
        assert ("RepositoryBusy", "quiet") in lines["turn"]
        assert "ImagePullFailed" in text["held"]
        assert text["fine"].endswith("2d00h")
        assert max(map(len, text.values())) <= width
    panels = ["\n".join(map(plain, jobs.detail(each, store, NOW, 60))) for each in cronjobs]
    assert ["node-1 does not answer" in panel for panel in panels] == [True, False]
    assert ["100%" in panel for panel in panels] == [False, True]


def test_where_nothing_is_due_because_all_is_suspended_that_is_said() -> None:
    for suspended, words in ((True, "no CronJob is due: 1 of 1 is suspended"), (False, "no CronJob is due")):
        job = msgspec.structs.replace(cronjob("a"), suspended=suspended, next_at=None)
        store = store_from(
            api.Snapshot(
                seq=1,
                now=NOW,
                version="1",
                cronjobs=[job],
                executions=[],
                backups=[],
                storages=[],
                watches=[],
            )
        )
        assert plain(page.upcoming(store, NOW, 80)[-1]) == words

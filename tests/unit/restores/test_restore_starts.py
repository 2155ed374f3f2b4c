"""Which restores run at once: one for each claim, and none that is being cancelled."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from tests.records import make_backup, make_run
from tests.unit.restores.runner_parts import Parts, file, open_site

from kronkeep_common.errors import NotAllowedNow
from kronkeep_common.models import CronJobExecution, RestoreRequest, RestoreTarget
from kronkeep_common.states import ExecutionStatus, RestoreStatus
from kronkeep_daemon.restores.restore_plan import RestorePlanner
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.testing import settle

IN_PLACE = RestoreRequest(target=RestoreTarget(kind="in-place"), overwrite=True, confirm="j")
INTO_THE_SAME = RestoreRequest(target=RestoreTarget(kind="claim", claim="data"), overwrite=True)
INTO_ANOTHER = RestoreRequest(target=RestoreTarget(kind="claim", claim="copy"), overwrite=True)


def parts_with_one_claim() -> Parts:
    parts = Parts([file("/source/data", "dir"), file("/source/data/a")])
    parts.may_end.clear()
    return parts


@pytest.mark.parametrize(
    ("first", "second"),
    [(IN_PLACE, INTO_THE_SAME), (INTO_THE_SAME, IN_PLACE), (IN_PLACE, IN_PLACE)],
    ids=["in place first", "by its name first", "in place twice"],
)
async def test_two_restores_never_write_to_one_claim(
    tmp_path: Path, first: RestoreRequest, second: RestoreRequest
) -> None:
    async with open_site(tmp_path, parts_with_one_claim()) as site:
        await site.service.restore("b", first)
        with pytest.raises(NotAllowedNow, match="the same target"):
            await site.service.restore("b", second)
        await site.service.restore("b", INTO_ANOTHER)


async def test_in_place_of_a_cronjob_that_was_made_again_shares_its_claims(tmp_path: Path) -> None:
    """The backups of before have the id of the CronJob of before."""
    async with open_site(tmp_path, parts_with_one_claim()) as site:
        await site.service.restore("b", IN_PLACE)
        site.parts.backup = msgspec.structs.replace(site.parts.backup, cronjob_id="before")
        with pytest.raises(NotAllowedNow, match="the same target"):
            await site.service.restore("b", IN_PLACE)


async def test_one_that_is_being_cancelled_is_not_started_again(tmp_path: Path) -> None:
    """The service looks for restores that have not ended while the Job is being removed."""
    async with open_site(tmp_path, parts_with_one_claim()) as site:
        restore = await site.add()
        site.service.start_restore(restore)
        await site.parts.has_begun.wait()

        async def look_for_work() -> None:
            site.service.start_restore(site.records.get("r"))
            for _ in range(20):
                await settle()
                await site.history.commit()

        site.parts.while_removing = look_for_work
        cancelled = await site.service.cancel("r", "anna")
        assert (cancelled.status, cancelled.reason) == (RestoreStatus.FAILED, "Cancelled")
        assert site.parts.began == ["kronkeep-restore-r-1"]


@pytest.mark.parametrize("cronjob_id", ["u", "before"])
async def test_a_run_of_the_cronjob_that_there_is_now_is_seen(cronjob_id: str) -> None:
    """A backup of before has the id of a CronJob that was made again, or of one of a lost history."""

    def recent_runs(of: str) -> list[CronJobExecution]:
        return [make_run(status=ExecutionStatus.RUNNING)] if of == "u" else []

    cronjobs: Any = SimpleNamespace(find_subject=lambda _: SimpleNamespace(uid="u"), recent_runs=recent_runs)
    nothing: Any = None
    planner = RestorePlanner(
        cronjobs=cronjobs,
        storages=nothing,
        snapshots=nothing,
        jobs=nothing,
        restorable=nothing,
        predictor=nothing,
        settings=Settings,
    )
    assert planner.has_active_run(make_backup(cronjob_id=cronjob_id))

"""The ids that verbs take: an id, its beginning, NAMESPACE/ID, or a CronJob's name for the newest one."""

import re
from typing import TYPE_CHECKING

from kronkeep_common.errors import BackupNotFound, CronJobNotFound, ExecutionNotFound
from kronkeep_common.models import CronJob
from kronkeep_tui.cli.arguments import split_name

if TYPE_CHECKING:
    from kronkeep_common.client import Client

_LIKE_AN_ID = re.compile(r"[0-9a-f]{4,}(-[0-9a-f]*)*(@.*)?")
RUN_HELP = "the run's id, or NAMESPACE/CRONJOB for its newest run"
BACKUP_HELP = "the backup's id, or NAMESPACE/CRONJOB for its newest one with a snapshot"


async def find_run_id(client: "Client", name: str) -> str:
    """Return the id of a run; raise ExecutionNotFound for a CronJob that has not run yet."""
    cronjob = await _find_cronjob(client, name)
    if cronjob is None:
        return last_part(name)
    if cronjob.last_execution_id is None:
        raise ExecutionNotFound(f"{name} has not run yet.", next_step=f"Run it: kronkeep trigger {name}.")
    return cronjob.last_execution_id


async def find_backup_id(client: "Client", name: str) -> str:
    """Return the id of a backup; raise BackupNotFound for a CronJob of which no snapshot is kept."""
    cronjob = await _find_cronjob(client, name)
    if cronjob is None:
        return last_part(name)
    for backup in (await client.backups.list(cronjob_id=cronjob.id, limit=100)).items:
        if backup.snapshot_state == "present":
            return backup.id
    raise BackupNotFound(
        f"No snapshot of {name} is kept.", next_step=f"Make one: kronkeep backup {name} --wait."
    )


async def _find_cronjob(client: "Client", name: str) -> CronJob | None:
    """Return the CronJob of NAMESPACE/CRONJOB, or of CRONJOB in `default`; None where the name is an id."""
    if "/" not in name and _LIKE_AN_ID.fullmatch(name):
        return None
    try:
        return await client.cronjobs.get(*split_name(name))
    except CronJobNotFound:
        return None


def last_part(name: str) -> str:
    """Return the id in NAMESPACE/ID."""
    return name.rpartition("/")[2]

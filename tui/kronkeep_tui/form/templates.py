"""What a new CronJob may begin with: a few of the house, and the manifests in the person's own folder."""

import os
from collections.abc import Mapping
from pathlib import Path

from kronkeep_common.errors import KronkeepError
from kronkeep_common.models import CronJobCreate
from kronkeep_tui.form.draft import draft_of

HOUSE: Mapping[str, Mapping[str, str]] = {
    "claim-nightly": {
        "image": "busybox:1.36",
        "command": "true",
        "schedule": "0 2 * * *",
        "volumes.0": "data /data read-only",
        "policy.retention.days": "30",
    },
    "postgres-nightly": {
        "image": "postgres:17",
        "command": "true",
        "schedule": "0 2 * * *",
        "policy.include.volumes": "no",
        "policy.include.database.image": "postgres:17",
        "policy.include.database.command": "pg_dump --format=custom --host=postgres -U postgres postgres",
        "policy.include.database.file_name": "postgres.dump",
        "policy.include.database.env.0": "PGPASSWORD from postgres/password",
        "policy.retention.days": "",
        "policy.retention.keep_daily": "7",
        "policy.retention.keep_weekly": "4",
        "policy.retention.keep_monthly": "12",
    },
    "command-hourly": {
        "image": "busybox:1.36",
        "command": "sh -c 'date; echo replace me'",
        "schedule": "0 * * * *",
        "policy.storage_id": "",
    },
}


def folder() -> Path:
    """Where one's own templates are: manifests, one CronJob each."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "kronkeep" / "templates"


def names() -> list[str]:
    """Every template."""
    own = sorted(path.stem for path in folder().glob("*.y*ml")) if folder().is_dir() else []
    return [*own, *(name for name in HOUSE if name not in own)]


def texts(name: str) -> dict[str, str] | None:
    """What a template fills in; None where there is none of that name."""
    from kronkeep_common import manifests

    for path in sorted(folder().glob("*.y*ml")) if folder().is_dir() else ():
        if path.stem == name:
            wanted = [found.wanted for found in manifests.file(path)]
            if len(wanted) == 1 and isinstance(wanted[0], CronJobCreate):
                return draft_of(wanted[0])
            raise _no_cronjob(path)
    return dict(HOUSE[name]) if name in HOUSE else None


def _no_cronjob(path: Path) -> KronkeepError:
    from kronkeep_common.errors import InvalidRequest

    return InvalidRequest(
        f"{path} is not one CronJob in kronkeep's words.", next_step="See kronkeep get cronjobs -o yaml."
    )

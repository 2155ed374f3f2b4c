"""Templates for a new CronJob: a few built-in ones, and the manifests in the user's own folder."""

import os
from collections.abc import Mapping
from pathlib import Path

from kronkeep_common.errors import KronkeepError
from kronkeep_common.models import CronJobCreate
from kronkeep_tui.form.draft import draft_of

BUILT_IN: Mapping[str, Mapping[str, str]] = {
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


def templates_folder() -> Path:
    """Return the folder of the user's own templates: manifests of one CronJob each."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "kronkeep" / "templates"


def template_names() -> list[str]:
    """Return the names of all templates, the user's own first."""
    own = (
        sorted(path.stem for path in templates_folder().glob("*.y*ml")) if templates_folder().is_dir() else []
    )
    return [*own, *(name for name in BUILT_IN if name not in own)]


def template_texts(name: str) -> dict[str, str] | None:
    """Return the draft of a template; None where no template has that name."""
    from kronkeep_common import manifests

    for path in sorted(templates_folder().glob("*.y*ml")) if templates_folder().is_dir() else ():
        if path.stem == name:
            bodies = [document.body for document in manifests.read_file(path)]
            if len(bodies) == 1 and isinstance(bodies[0], CronJobCreate):
                return draft_of(bodies[0])
            raise _not_one_cronjob(path)
    return dict(BUILT_IN[name]) if name in BUILT_IN else None


def _not_one_cronjob(path: Path) -> KronkeepError:
    from kronkeep_common.errors import InvalidRequest

    return InvalidRequest(
        f"{path} is not one CronJob in kronkeep's own format.", next_step="See kronkeep get cronjobs -o yaml."
    )

"""A CronJob in $EDITOR: what is saved is first tried, then put; a refused text stays in its file."""

import os
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from kronkeep_common import manifests
from kronkeep_common.errors import InvalidRequest, KronkeepError
from kronkeep_common.models import CronJob, CronJobCreate

if TYPE_CHECKING:
    from kronkeep_tui.app import KronkeepApp


async def edit(app: "KronkeepApp", cronjob: CronJob) -> None:
    """Leaves the screen to the editor and comes back; raises what the daemon refuses with."""
    spec = await app.client.cronjob_spec(cronjob.namespace, cronjob.name)
    path = _written(spec)
    with app.suspend():
        code = _run(path)
    app.refresh(layout=True)
    try:
        if code != 0:
            raise InvalidRequest(
                f"The editor ended with {code}; nothing was changed.", next_step="Set EDITOR."
            )
        wanted = _read(path)
        if wanted == spec:
            app.frame.tell("Nothing was changed.", "quiet")
        else:
            await app.client.replace_cronjob(wanted, dry_run=True)
            await app.client.replace_cronjob(wanted)
            app.frame.tell(f"Changed {wanted.namespace}/{wanted.name}.", "ok")
            app.reader.resync()
    except KronkeepError as error:
        error.next_step = f"{error.next_step} What you wrote is in {path}."
        raise
    path.unlink()


def _written(spec: CronJobCreate) -> Path:
    import yaml

    body = {"kind": "CronJob", **msgspec.to_builtins(spec)}
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", prefix="kronkeep-", delete=False) as file:
        file.write(yaml.safe_dump(body, sort_keys=False, allow_unicode=True))
    return Path(file.name)


def _run(path: Path) -> int:
    """Runs the editor; nothing is drawn meanwhile, so the loop may wait for it."""
    editor = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    try:
        return subprocess.run([*editor, str(path)], check=False).returncode
    except OSError as fault:
        raise InvalidRequest(
            f"{editor[0]} cannot be run: {fault.strerror}.", next_step="Set EDITOR."
        ) from fault


def _read(path: Path) -> CronJobCreate:
    found = [document.wanted for document in manifests.file(path)]
    if len(found) != 1 or not isinstance(found[0], CronJobCreate):
        raise InvalidRequest("The text must be one CronJob.")
    return found[0]

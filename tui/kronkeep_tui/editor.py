"""Edit a CronJob as YAML in the user's editor.

What was saved is sent as a dry run first. A text that is refused stays in its file.
"""

import os
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from kronkeep_common import manifests
from kronkeep_common.errors import InvalidRequest, KronkeepError
from kronkeep_common.models import CronJobCreate

if TYPE_CHECKING:
    from kronkeep_common.client.cronjobs import TaggedSpec


def write_file(spec: CronJobCreate) -> Path:
    """Write a CronJob as YAML to a new temporary file and return its path."""
    import yaml

    body = {"kind": "CronJob", **msgspec.to_builtins(spec)}
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", prefix="kronkeep-", delete=False) as file:
        file.write(yaml.safe_dump(body, sort_keys=False, allow_unicode=True))
    return Path(file.name)


def run_editor(path: Path) -> int:
    """Run $VISUAL or $EDITOR on a file until it ends and return its exit code; raise InvalidRequest."""
    editor = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    try:
        return subprocess.run([*editor, str(path)], check=False).returncode
    except OSError as fault:
        raise InvalidRequest(
            f"{editor[0]} cannot be run: {fault.strerror}.", next_step="Set EDITOR."
        ) from fault


async def submit_file(client: Any, original: "TaggedSpec", path: Path, code: int) -> CronJobCreate | None:
    """Send what was saved in an editor that ended with `code`; return it, None if nothing was changed.

    The file is deleted after that. Raise what the daemon refuses with, PreconditionFailed if somebody else
    has changed the CronJob meanwhile; then the file stays and the error's next step names it.
    """
    try:
        edited = _read_spec(path, code)
        if edited != original.spec:
            await client.cronjobs.replace(edited, dry_run=True, if_match=original.tag)
            await client.cronjobs.replace(edited, if_match=original.tag)
    except KronkeepError as error:
        error.next_step = f"{error.next_step} What you wrote is in {path}."
        raise
    path.unlink()  # noqa: ASYNC240 - one name on a local disk
    return None if edited == original.spec else edited


def _read_spec(path: Path, code: int) -> CronJobCreate:
    if code != 0:
        raise InvalidRequest(f"The editor ended with {code}; nothing was changed.", next_step="Set EDITOR.")
    specs = [document.body for document in manifests.read_file(path)]
    if len(specs) != 1 or not isinstance(specs[0], CronJobCreate):
        raise InvalidRequest("The text must be one CronJob.")
    return specs[0]

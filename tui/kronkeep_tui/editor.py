"""Edit a CronJob, or the policy of a claim, as YAML in the user's editor.

What was saved is sent as a dry run first. A text that is refused stays in its file.
"""

import os
import shlex
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from kronkeep_common import manifests, subject_names
from kronkeep_common.errors import InvalidRequest, KronkeepError, PolicyNotFound
from kronkeep_common.manifests import ManifestBody
from kronkeep_common.models import ClaimPolicyManifest, CronJobCreate
from kronkeep_tui import external_programs

if TYPE_CHECKING:
    from kronkeep_common.client import Client
    from kronkeep_common.client.cronjobs import TaggedSpec

_SET_EDITOR = "Set EDITOR to an editor that is installed, such as vi or nano."


class EditedFile(Protocol):
    """Something that is edited: `path` is the file with its text, `noun` says what it is."""

    path: Path
    noun: str

    async def submit(self, client: "Client", code: int) -> bool:
        """Send what was saved in an editor that ended with `code`; return whether anything was changed."""


async def open_for_editing(client: "Client", namespace: str, name: str) -> EditedFile:
    """Write a CronJob, or the policy of a claim (`pvc/NAME`), to a file; raise CronJobNotFound."""
    claim = subject_names.claim_of(name)
    if claim is None:
        return EditedCronJob(await client.cronjobs.spec_with_tag(namespace, name))
    policy = (await client.cronjobs.get(namespace, name)).policy
    if policy is None:
        raise PolicyNotFound(
            f"The policy of {namespace}/{name} cannot be read.",
            next_step=f"kronkeep describe cronjob {namespace}/{name} says why; kronkeep apply replaces it.",
        )
    return EditedClaimPolicy(ClaimPolicyManifest(namespace=namespace, claim=claim, policy=policy.spec))


class EditedCronJob:
    """A CronJob that is edited."""

    noun = "cronjob"

    def __init__(self, original: "TaggedSpec") -> None:
        self._original = original
        self.path = write_file("CronJob", original.spec)

    async def submit(self, client: "Client", code: int) -> bool:
        return await submit_file(client, self._original, self.path, code) is not None


class EditedClaimPolicy:
    """The policy of a claim that is edited."""

    noun = "policy"

    def __init__(self, original: ClaimPolicyManifest) -> None:
        self._original = original
        self.path = write_file("ClaimPolicy", original)

    async def submit(self, client: "Client", code: int) -> bool:
        """Send the policy; where it is refused the file stays and the error's next step names it."""
        original = self._original
        try:
            edited = _read_body(self.path, code)
            if not isinstance(edited, ClaimPolicyManifest):
                raise InvalidRequest("The text must be one ClaimPolicy.")
            if (edited.namespace, edited.claim) != (original.namespace, original.claim):
                raise InvalidRequest("The policy is that of another claim.", next_step="Use kronkeep apply.")
            if edited != original:
                await client.policies.set_for_claim(edited.namespace, edited.claim, edited.policy)
        except KronkeepError as error:
            _add_file(error, self.path)
            raise
        self.path.unlink()
        return edited != original


def write_file(kind: str, spec: msgspec.Struct) -> Path:
    """Write a manifest as YAML to a new temporary file and return its path."""
    import yaml

    body = {"kind": kind, **msgspec.to_builtins(spec)}
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", prefix="kronkeep-", delete=False) as file:
        file.write(yaml.safe_dump(body, sort_keys=False, allow_unicode=True))
    return Path(file.name)


def run_editor(path: Path) -> int:
    """Run $VISUAL or $EDITOR on a file until it ends and return its exit code.

    Raise InvalidRequest where it cannot be run; the file, in which nothing was written then, is deleted.
    """
    try:
        return external_programs.run_program([*_editor_words(), str(path)], next_step=_SET_EDITOR)
    except InvalidRequest:
        path.unlink(missing_ok=True)
        raise


def _editor_words() -> list[str]:
    """Return the user's editor and its arguments; raise InvalidRequest for a quote that does not end."""
    try:
        words = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    except ValueError as fault:
        raise InvalidRequest(f"EDITOR cannot be read: {fault}.", next_step=_SET_EDITOR) from fault
    return words or ["vi"]


async def submit_file(client: Any, original: "TaggedSpec", path: Path, code: int) -> CronJobCreate | None:
    """Send what was saved in an editor that ended with `code`; return it, None if nothing was changed.

    The file is deleted after that. Raise what the daemon refuses with, PreconditionFailed if somebody else
    has changed the CronJob meanwhile; then the file stays and the error's next step names it.
    """
    try:
        edited = _read_body(path, code)
        if not isinstance(edited, CronJobCreate):
            raise InvalidRequest("The text must be one CronJob.")
        if edited != original.spec:
            await client.cronjobs.replace(edited, dry_run=True, if_match=original.tag)
            await client.cronjobs.replace(edited, if_match=original.tag)
    except KronkeepError as error:
        _add_file(error, path)
        raise
    path.unlink()  # noqa: ASYNC240 - one name on a local disk
    return None if edited == original.spec else edited


def _add_file(error: KronkeepError, path: Path) -> None:
    """Name the file that stays in the next step of an error."""
    error.next_step = f"{error.next_step} What you wrote is in {path}."


def _read_body(path: Path, code: int) -> ManifestBody | None:
    """Return the manifest in the file; None where it has none, or several."""
    if code != 0:
        end = external_programs.describe_end(code)
        raise InvalidRequest(f"The editor {end}; nothing was changed.", next_step=_SET_EDITOR)
    bodies = [document.body for document in manifests.read_file(path)]
    return bodies[0] if len(bodies) == 1 else None

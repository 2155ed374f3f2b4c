"""What a storage's form means: its kind, its Secret, who may use it, and what the daemon says to it; pure."""

from collections.abc import Sequence

from kronkeep_common.errors import KronkeepError
from kronkeep_common.models import BackupStorage
from kronkeep_common.models.coverage import ClaimCoverage
from kronkeep_common.models.storage import SecretNames
from kronkeep_common.models.storage_kinds import StorageKind
from kronkeep_common.models.storage_layout import password_secret_of_folders
from kronkeep_common.storage_place import describe_place
from kronkeep_common.text import size
from kronkeep_tui.pages.status_words import cause
from kronkeep_tui.password_words import password_words
from kronkeep_tui.widgets.cells import Text, wrap

LISTED = 8


def kind_lines(kind: StorageKind, width: int) -> list[Text]:
    """Return what the kind is."""
    return [((part, "strong"),) for part in wrap(kind.description, width)]


def secret_lines(
    kind: StorageKind, chosen: str, secrets: Sequence[SecretNames] | None, width: int
) -> list[Text]:
    """Return the keys that the kind's Secret has or lacks, or which Secrets fit; None: they are not known."""
    if not kind.credentials:
        return []
    secret = next((each for each in secrets or () if each.name == chosen), None)
    lines: list[Text] = []
    if secret is None and secrets is not None:
        names = ", ".join(each.name for each in fitting_secrets(kind, secrets)[:LISTED])
        words = f"Secrets that have them: {names}" if names else "No Secret of kronkeep's namespace has them."
        lines += [((part, "quiet"),) for part in wrap(f"Keys of the Secret. {words}", width)]
    for key in kind.credentials:
        state = ("      ", "") if secret is None else ("has   ", "ok")
        if secret is not None and key.name not in secret.keys:
            state = ("lacks ", "bad" if key.required else "quiet")
        optional = "" if key.required else " (optional)"
        for part in wrap(f"{key.name}: {key.description}{optional}", width - 6):
            lines.append((state, (part, "")))
            state = ("      ", "")
    return lines


def fitting_secrets(kind: StorageKind, secrets: Sequence[SecretNames]) -> list[SecretNames]:
    """Return the Secrets that have every key that the kind needs, and at least one that it knows."""
    needed = {key.name for key in kind.credentials if key.required}
    known = {key.name for key in kind.credentials}
    return [each for each in secrets if needed <= set(each.keys) and not known.isdisjoint(each.keys)]


def claim_lines(claims: Sequence[ClaimCoverage] | None) -> list[Text]:
    """Return the claims that exist, with their sizes."""
    if not claims:
        return []
    lines: list[Text] = [(("claims", "quiet"),)]
    for claim in claims[:LISTED]:
        words = size(claim.size_bytes) if claim.size_bytes is not None else ""
        lines.append(((f"{claim.namespace}/{claim.name}", ""), (f"  {words}", "quiet")))
    return lines


def plan_lines(
    planned: BackupStorage | None, error: KronkeepError | None, *, waiting: Sequence[Text], width: int
) -> list[Text]:
    """Return what the daemon says to the storage as it stands in the form; `waiting` until it has come."""
    if error is not None:
        return cause(error.message, error.next_step, width, "bad")
    if planned is not None:
        words = f"The daemon would accept it. The place: {describe_place(planned)}"
        return [((part, "ok"),) for part in wrap(words, width)]
    return list(waiting)


def password_lines(name: str, own_secret: str, layout: str, width: int) -> list[Text]:
    """Return where the passwords will be.

    own_secret: the Secret with the storage's password; empty for a random one, which gets a Secret.
    """
    if own_secret and layout == "shared":
        return []
    secrets = [own_secret or f"kronkeep-storage-{name or 'NAME'}"]
    if layout != "shared":
        secrets.append(password_secret_of_folders(name or "NAME"))
    return [((part, "warn"),) for part in wrap(password_words(secrets), width)]


def user_lines(namespaces: Sequence[str], width: int) -> list[Text]:
    """Return who could use the storage."""
    if namespaces:
        return []
    return [((part, "warn"),) for part in wrap("It serves no namespace: nobody can use it yet.", width)]

"""What the daemon says about manifests before anything is done, with all faults of each."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from kronkeep_common import manifests
from kronkeep_common.errors import (
    InvalidRequest,
    KronkeepError,
    NotAllowedNow,
    ScheduleConflict,
    StorageNotFound,
    Unavailable,
)
from kronkeep_common.manifest_repair import is_about_absence, remove_fault
from kronkeep_common.manifests import ManifestBody, ManifestDocument
from kronkeep_common.models import BackupStorageCreate, CronJob
from kronkeep_common.natural_order import natural_key

if TYPE_CHECKING:
    from kronkeep_common.client import Client

WOULD_CREATE = "would be created"
MOST_FAULTS = 10  # of one manifest; each takes one more check


class ManifestOutcome(NamedTuple):
    """What becomes of a manifest: in words, as a record, and the CronJob whose warnings are printed."""

    words: str
    record: object
    cronjob: CronJob | None = None


class ManifestRefusal(NamedTuple):
    """A manifest, and why the daemon refuses it."""

    document: ManifestDocument
    error: KronkeepError

    def located(self) -> KronkeepError:
        """Return the error with file, line and name of the manifest in its message."""
        field = str(self.error.details.get("field") or "")
        sentences = self.error.details.get("faults") or [self.error.message]
        faults = [self.document.describe_fault(sentence, field) for sentence in sentences]
        self.error.message = faults[0]
        self.error.details["faults"] = faults
        return self.error


class CheckedManifests(NamedTuple):
    """What would become of manifests, and why it cannot."""

    outcomes: list[ManifestOutcome]
    refusals: list[ManifestRefusal]


Step = Callable[["Client", ManifestBody, bool], Awaitable[ManifestOutcome]]


async def check_manifests(
    client: "Client",
    documents: Sequence[ManifestDocument],
    rests: Sequence[ManifestDocument],
    step: Step,
) -> CheckedManifests:
    """Let the daemon check every manifest.

    A storage that is not there yet is no fault where the manifests describe it. `rests` are what is left of
    manifests with faults that need no daemon; they have no outcome. Raise Unavailable.
    """
    outcomes: list[ManifestOutcome] = []
    refusals: list[ManifestRefusal] = []
    described = {each.body.id for each in (*documents, *rests) if isinstance(each.body, BackupStorageCreate)}
    for document in documents:
        try:
            outcome = await step(client, document.body, True)
        except Unavailable:
            raise
        except KronkeepError as error:
            outcome = ManifestOutcome(WOULD_CREATE, document.body)
            refusals += await _refusals_of(client, document, step, described, error)
        outcomes.append(outcome)
    for rest in rests:
        refusals += await _refusals_of(client, rest, step, described)
    return CheckedManifests(outcomes, refusals)


async def _refusals_of(
    client: "Client",
    document: ManifestDocument,
    step: Step,
    described: set[str],
    error: KronkeepError | None = None,
) -> list[ManifestRefusal]:
    """Return all that is wrong with a manifest; `error` is what was found first.

    What was refused is left out of it, and the rest is checked, until nothing more is refused. Schedules that
    conflict are no fault of the rest, as one of them may be a stand-in, nor is it that what was left out is
    missing.
    """
    refusals: list[ManifestRefusal] = []
    fields: set[object] = set()
    body: ManifestBody | None = document.body
    for number in range(MOST_FAULTS):
        if number or error is None:
            error = await _find_refusal(client, body, step) if body is not None else None
        is_storage = isinstance(error, StorageNotFound | NotAllowedNow)
        if error is None or (number and not isinstance(error, InvalidRequest | StorageNotFound)):
            break
        if body is None or (error.details.get("field") in fields and is_about_absence(body, error)):
            break
        is_known = is_storage and error.details.get("storage") in described
        if not is_known and not (number and isinstance(error, ScheduleConflict)):
            refusals.append(ManifestRefusal(document, error))
        fields.add(error.details.get("field"))
        body = remove_fault(body, error)
    return refusals


async def _find_refusal(client: "Client", body: ManifestBody, step: Step) -> KronkeepError | None:
    try:
        await step(client, body, True)
    except Unavailable:
        raise
    except KronkeepError as error:
        return error
    return None


def raise_refusals(refusals: Sequence[InvalidRequest | ManifestRefusal], undone: str) -> None:
    """Raise InvalidRequest with all faults of all manifests; a single error is raised as it is.

    undone: what was not done, such as `Nothing was applied.`
    """
    errors = [each.located() if isinstance(each, ManifestRefusal) else each for each in refusals]
    if not errors:
        return
    faults = [fault for error in errors for fault in _sentences_of(error)]
    refusal = manifests.faulty_manifests(sorted(faults, key=natural_key)) if len(errors) > 1 else errors[0]
    refusal.next_step = f"{undone} {refusal.next_step}".strip()
    raise refusal


def _sentences_of(error: KronkeepError) -> list[str]:
    """Return the faults of an error, each with what to do about it and its code."""
    faults = error.details.get("faults") or [error.message]
    if error.next_step == InvalidRequest.default_next_step:
        return faults
    return [f"{fault} {error.next_step} [{error.code}]" for fault in faults]

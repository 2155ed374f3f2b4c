"""The mark on a CronJob that a maintenance suspends: the ids in its annotation; pure functions.

Suspending and marking are one patch, and so are resuming and taking the mark away, each with the version that
was read. So after any stop exactly those CronJobs carry the mark that a maintenance suspended, whichever
daemon looks at them. A person who suspends or resumes one meanwhile takes the mark away.
"""

import re
from collections.abc import Collection
from datetime import datetime

from kronkeep_common import object_keys
from kronkeep_daemon.cronjobs import resume
from kronkeep_daemon.kube.objects import CronJobObject, JsonObject

MOST_MARKS = 10
_ID = re.compile(r"[0-9a-f]{32}")


def read_marks(cronjob: CronJobObject) -> tuple[str, ...]:
    """Return the ids of the maintenances that keep a CronJob suspended, of what anybody may have written."""
    text = cronjob.annotations.get(object_keys.MAINTENANCE, "")
    return tuple(dict.fromkeys(_ID.findall(text[: MOST_MARKS * 33])))


def suspend_patch(cronjob: CronJobObject, maintenance_id: str) -> JsonObject | None:
    """Return the merge patch that suspends a CronJob for a maintenance.

    None where it already is, or where somebody else suspended it, who will resume it.
    """
    marks = read_marks(cronjob)
    is_suspended = bool(cronjob.spec.suspend)
    if (is_suspended and (not marks or maintenance_id in marks)) or len(marks) >= MOST_MARKS:
        return None
    kept = marks if is_suspended else ()
    return {"metadata": _metadata(cronjob, (*kept, maintenance_id)), "spec": {"suspend": True}}


def release_patch(
    cronjob: CronJobObject, over: Collection[str], missed_slot: datetime | None, now: datetime
) -> JsonObject | None:
    """Return the merge patch that takes marks away, and resumes a CronJob that has none left.

    over: ids of maintenances that are over. missed_slot: see resume.resume_patch.
    None where there is nothing to do.
    """
    marks = read_marks(cronjob)
    is_suspended = bool(cronjob.spec.suspend)
    left = tuple(mark for mark in marks if mark not in over) if is_suspended else ()
    if left == marks:
        return None
    patch: JsonObject = {} if left or not is_suspended else resume.resume_patch(cronjob, missed_slot, now)
    annotations = patch.get("metadata", {}).get("annotations", {})
    metadata = _metadata(cronjob, left)
    metadata["annotations"] |= annotations
    return {**patch, "metadata": metadata}


def without_marks(patch: JsonObject) -> JsonObject:
    """Return a merge patch that takes the marks away too, as the patch is a person's own decision."""
    metadata = patch.get("metadata", {})
    annotations = {**metadata.get("annotations", {}), object_keys.MAINTENANCE: None}
    return {**patch, "metadata": {**metadata, "annotations": annotations}}


def _metadata(cronjob: CronJobObject, marks: Collection[str]) -> JsonObject:
    """Return annotations and the version that was read: who wrote meanwhile gets the patch refused (409)."""
    return {
        "resourceVersion": cronjob.metadata.resource_version,
        "annotations": {object_keys.MAINTENANCE: " ".join(marks) or None},
    }

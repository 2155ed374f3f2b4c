"""The recordings of a real Kubernetes 1.36 control plane in data/recordings, and what of them is compared.

Each line of a recording is a request with its response, or an event of a watch; `at` is its time in seconds.
"""

import json
import re
from pathlib import Path
from typing import Any

from kronkeep_daemon.kube.objects import JsonObject

FOLDER = Path(__file__).parent / "data" / "recordings"
JOB_SCENARIOS = [
    "job-success",
    "job-failure-no-retry",
    "job-failure-after-retries",
    "job-deadline-exceeded",
    "job-indexed-parallel",
    "job-init-container-fails",
    "job-pod-failure-policy",
    "job-suspend-resume",
    "job-ttl-after-finished",
    "job-deleted-while-running",
]
CRONJOB_SCENARIOS = [
    "cronjob-two-runs-and-history-limit",
    "cronjob-concurrency-forbid",
    "cronjob-concurrency-replace",
    "cronjob-manual-run",
]
_TIME_FIELDS = ("startTime", "completionTime", "lastProbeTime", "lastTransitionTime")


def read_recording(name: str) -> list[dict[str, Any]]:
    """Return the lines of a recording."""
    lines = (FOLDER / f"{name}.jsonl").read_text().split("\n")
    return [json.loads(line) for line in lines if line]


def read_watch_events(name: str, plural: str) -> list[dict[str, Any]]:
    """Return the events of the recorded watch on one kind, without bookmarks."""
    records = [record for record in read_recording(name) if record.get("watch") == plural]
    return [record["event"] for record in records if record["event"]["type"] != "BOOKMARK"]


def outline_job_status(status: JsonObject) -> JsonObject:
    """Return a Job's status with the names of its times alone, and the number of uncounted pods."""
    outline = {key: value for key, value in status.items() if key not in _TIME_FIELDS}
    outline["times"] = sorted(key for key in _TIME_FIELDS if key in status)
    outline["conditions"] = [
        {key: value for key, value in condition.items() if key not in _TIME_FIELDS}
        for condition in status.get("conditions") or []
    ]
    uncounted = status.get("uncountedTerminatedPods") or {}
    outline["uncountedTerminatedPods"] = {key: len(uids) for key, uids in uncounted.items()}
    return outline


def outline_cronjob_status(status: JsonObject) -> JsonObject:
    """Return a CronJob's status as the last slot, the names of active Jobs, and whether one has succeeded."""
    outline = {key: value for key, value in status.items() if key == "lastScheduleTime"}
    outline["active"] = [reference["name"] for reference in status.get("active") or []]
    outline["succeeded"] = "lastSuccessfulTime" in status
    return outline


def recorded_job_statuses(name: str) -> list[JsonObject]:
    """Return the outlines of a recorded Job's statuses in the order in which they were written."""
    events = read_watch_events(name, "jobs")
    return without_repetitions(
        [outline_job_status(e["object"].get("status") or {}) for e in events if e["type"] != "DELETED"]
    )


def recorded_cronjob_statuses(name: str) -> list[JsonObject]:
    """Return the outlines of a recorded CronJob's statuses in the order in which they were written."""
    events = read_watch_events(name, "cronjobs")
    return without_repetitions(
        [outline_cronjob_status(e["object"].get("status") or {}) for e in events if e["type"] != "DELETED"]
    )


def without_repetitions(statuses: list[JsonObject]) -> list[JsonObject]:
    """Return the statuses without those that equal the one before them."""
    distinct: list[JsonObject] = []
    for status in statuses:
        if not distinct or distinct[-1] != status:
            distinct.append(status)
    return distinct


def mask_pod_suffix(text: str) -> str:
    """Return a text that ends in a pod's name with `*` for the name's five random characters."""
    return re.sub(r"-[a-z0-9]{5}$", "-*", text)

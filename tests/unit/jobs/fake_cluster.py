"""A cluster with one Job, whose pod and logs a test moves on; it counts what it is asked."""

import asyncio
from collections.abc import AsyncIterator, Callable

from tests.waiting import LONGEST_WAIT

from kronkeep_common import object_keys
from kronkeep_common.clock import SystemClock
from kronkeep_common.errors import ClusterUnreachable
from kronkeep_daemon.cronjobs.cluster_cache import ClusterCache
from kronkeep_daemon.jobs.job_updates import CachedJobs
from kronkeep_daemon.kube.errors import AlreadyExists, NotFoundInCluster
from kronkeep_daemon.kube.objects import Job, JsonObject, Pod, convert_object

NAMESPACE = "shop"
NAME = "ours"
UID = "uid-1"


class QuickClock(SystemClock):
    """A clock on which waiting takes a fiftieth of the time, for the monotonic time too."""

    def monotonic(self) -> float:
        return super().monotonic() * 50

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / 50)


def manifest(*containers: str) -> JsonObject:
    """A Job of kronkeep's; all containers but the last are init containers."""
    *first, last = ({"name": name} for name in containers)
    meta = {
        "name": NAME,
        "namespace": NAMESPACE,
        "labels": {object_keys.MANAGED_BY_LABEL: object_keys.MANAGED_BY},
    }
    pod = {"initContainers": first, "containers": [last], "volumes": []}
    return {"metadata": meta, "spec": {"template": {"spec": pod}}}


class FixedTokens:
    """Tokens of a daemon; those of another `owner` are another daemon's."""

    def __init__(self, owner: str = "ours") -> None:
        self._owner = owner
        self._uids: dict[str, str] = {}

    async def token_of(self, cluster_id: str, path: str) -> str:
        return f"{self._owner} {cluster_id} {path}"

    def uid_of(self, cluster_id: str, path: str) -> str | None:
        return self._uids.get(path)

    async def record_uid(self, cluster_id: str, path: str, uid: str) -> None:
        self._uids[path] = uid


class FakeCluster:
    """A stand-in for kube.client.Cluster; its `cache` shows what happens while `is_live`."""

    id = "cluster-1"

    def __init__(self, *containers: str) -> None:
        self.manifest = manifest(*containers)
        self.containers = containers
        self.job: JsonObject | None = None
        self.states: dict[str, JsonObject] = {}
        self.log: dict[str, list[bytes]] = {name: [] for name in containers}
        self.requests: list[str] = []
        self.away = False
        self.is_live = True
        self.broken_streams = 0
        self.silent_streams = 0
        self.pods_deleted = False
        self.pods_outlive_job = False
        self.pod_deleted_at: str | None = None
        self.other_pods: list[JsonObject] = []
        self.injected: dict[str, JsonObject] = {}
        self.events: list[JsonObject] = []
        self.is_pending = False
        self.is_node_lost = False
        self._more = asyncio.Event()
        self._version = 0
        self.cache = ClusterCache(on_job_change=lambda _: None, on_cronjob_change=lambda *_: None)

    @property
    def cached(self) -> CachedJobs:
        return CachedJobs(self.cache, lambda namespace: self.is_live and namespace == NAMESPACE)

    # What a test does.

    def start(self, container: str) -> None:
        """Let the container run."""
        self.is_pending = False
        self.states[container] = {"running": {"startedAt": "2026-01-15T10:00:00Z"}}
        self._show()

    def write(self, container: str, *lines: bytes) -> None:
        """Let the container write lines."""
        for line in lines:
            second = len(self.log[container]) // 3  # three lines a second
            self.log[container].append(b"2026-01-15T10:00:%02d.5Z %s\n" % (second, line))
        self._wake()

    def wait(self, container: str, reason: str, message: str) -> None:
        """Let the container wait, as for an image."""
        self.is_pending = True
        self.states[container] = {"waiting": {"reason": reason, "message": message}}
        self._show()

    def lose_node(self, *, is_lost: bool = True) -> None:
        """Let the node no longer answer, as the node controller shows it, or answer again."""
        self.is_node_lost = is_lost
        self._show()

    def tell(self, uid: str, reason: str, message: str) -> None:
        """Add an Event of type Warning about the Job or its pod."""
        involved = {"uid": uid, "namespace": NAMESPACE}
        event = {"involvedObject": involved, "type": "Warning", "reason": reason, "message": message}
        self.events.append(event)
        if uid != UID:
            self.is_pending = True
        self._show()

    def end(self, container: str, exit_code: int = 0, reason: str = "Completed") -> None:
        """Let the container end."""
        self.states[container] = {"terminated": {"exitCode": exit_code, "reason": reason}}
        self._show()

    def finish(self, kind: str = "Complete", reason: str = "") -> None:
        """Let the Job end."""
        assert self.job is not None
        condition = {"type": kind, "status": "True", "reason": reason, "message": f"The Job is {kind}."}
        self.job["status"] = {"conditions": [condition]}
        self._show()

    def delete_job(self) -> None:
        """Delete the Job, as somebody else may."""
        assert self.job is not None
        gone = self.job
        self.job = None
        self._version += 1
        gone["metadata"]["resourceVersion"] = str(self._version)
        if self.is_live:
            self.cache.update_job("DELETED", convert_object(gone, Job))
            self.cache.forget_job(UID)  # as the recorder does with Jobs that are not of a CronJob
        self._wake()

    def _show(self) -> None:
        """Let the watch show the Job and its pod."""
        self._version += 1
        if self.job is not None:
            self.job["metadata"]["resourceVersion"] = str(self._version)
        if self.is_live and self.job is not None:
            for pod in self._pods():
                self.cache.update_pod("MODIFIED", convert_object(pod, Pod))
            self.cache.update_job("MODIFIED", convert_object(self.job, Job))
        self._wake()

    def _wake(self) -> None:
        self._more.set()
        self._more = asyncio.Event()

    def _pods(self) -> list[JsonObject]:
        if (
            (not self.states and not self.is_pending)
            or self.pods_deleted
            or not (self.job or self.pods_outlive_job)
        ):
            return []
        *first, last = ({"name": name, "state": self.states.get(name, {})} for name in self.containers)
        meta = {
            "name": f"{NAME}-pod",
            "namespace": NAMESPACE,
            "uid": "pod-1",
            "resourceVersion": str(self._version),
            "creationTimestamp": "2026-01-15T10:00:00Z",
            "deletionTimestamp": self.pod_deleted_at,
            "ownerReferences": [{"kind": "Job", "name": NAME, "uid": UID}],
        }
        spec = self.manifest["spec"]["template"]["spec"]
        return [
            {
                "metadata": meta,
                "spec": {
                    "containers": [*spec["containers"], *({"name": name} for name in self.injected)],
                    "initContainers": spec["initContainers"],
                },
                "status": {
                    "phase": "Pending" if self.is_pending else "Running",
                    "conditions": [
                        {"type": "Ready", "status": "False" if self.is_node_lost else "True"},
                        {"type": "ContainersReady", "status": "True"},
                    ],
                    "initContainerStatuses": first,
                    "containerStatuses": [
                        last,
                        *({"name": name, "state": state} for name, state in self.injected.items()),
                    ],
                },
            }
        ]

    # What the runner asks.

    def _note(self, request: str) -> None:
        self.requests.append(request)
        if self.away:
            raise ClusterUnreachable("The cluster does not answer.")

    async def create(self, path: str, body: JsonObject) -> JsonObject:
        self._note("create")
        if self.job is not None:
            raise AlreadyExists("There is one of that name.")
        self.job = {**body, "metadata": {**body["metadata"], "uid": UID, "resourceVersion": "0"}}
        return self.job

    async def get(self, path: str) -> JsonObject:
        self._note("get")
        if self.job is None:
            raise NotFoundInCluster("There is no such Job.")
        return self.job

    async def list(self, path: str, **params: str) -> tuple[list[JsonObject], str]:
        self._note("list")
        if "fieldSelector" in params:
            return [
                event
                for event in self.events
                if params["fieldSelector"] == f"involvedObject.uid={event['involvedObject']['uid']}"
            ], "1"
        assert params == {"labelSelector": f"{object_keys.CONTROLLER_UID_LABEL}={UID}"}
        return [*self._pods(), *self.other_pods], "1"

    async def delete(self, path: str, *, uid: str | None = None) -> None:
        self._note("delete")
        assert uid in (None, UID)
        self.job = None

    async def log_chunks(
        self,
        namespace: str,
        pod: str,
        container: str,
        *,
        follow: bool,
        since_time: str | None = None,
        previous: bool = False,
    ) -> AsyncIterator[bytes]:
        assert not previous, "our Jobs never restart a container"
        self._note(f"log {container}{' follow' if follow else ''}")
        if self.pods_deleted:
            raise NotFoundInCluster("There is no such pod.")
        since = (since_time or "").removesuffix("Z").encode()
        if self.silent_streams:
            self.silent_streams -= 1
            await asyncio.Event().wait()
        at = 0
        while True:
            more = self._more
            lines = self.log[container]
            for line in lines[at:]:
                at += 1
                if line[:19] >= since:
                    yield line[:10]
                    yield line[10:]
            if self.broken_streams:
                self.broken_streams -= 1
                raise ClusterUnreachable("The stream broke.")
            if not follow or "terminated" in self.states.get(container, {}):
                return
            await more.wait()


async def eventually(condition: Callable[[], bool]) -> None:
    """Return once `condition()` holds; fail after four minutes."""
    end = asyncio.get_running_loop().time() + LONGEST_WAIT
    while True:
        if condition():
            return
        assert asyncio.get_running_loop().time() < end
        await asyncio.sleep(0.002)

"""The requests that a node makes to the API server for one pod."""

from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError
from kronkeep_common.text import clean
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import NotFoundInCluster
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.kube.timestamps import format_timestamp

STATUS_RETRY_SECONDS = 1.0
LONGEST_MESSAGE = 1000


class PodApi:
    """Access to the API server for one pod: its status, its Events, the objects that it refers to."""

    def __init__(self, *, cluster: Cluster, pod: JsonObject, clock: Clock) -> None:
        self._cluster = cluster
        self._pod = pod
        self._meta = pod["metadata"]
        self._clock = clock

    async def fetch_object(self, plural: str, name: str) -> JsonObject | None:
        """Return an object of the pod's namespace, None where there is none of that name."""
        try:
            return await self._cluster.get(paths.core(plural, self._meta["namespace"], name))
        except NotFoundInCluster:
            return None

    async def request_token(self, seconds: int, audience: str | None) -> str:
        """Return a token of the pod's service account that is bound to the pod (TokenRequest)."""
        pod = {"kind": "Pod", "apiVersion": "v1", "name": self._meta["name"], "uid": self._meta["uid"]}
        audiences = [audience] if audience else []
        spec = {"expirationSeconds": seconds, "boundObjectRef": pod, "audiences": audiences}
        account = self._pod["spec"].get("serviceAccountName") or "default"
        path = f"{paths.core('serviceaccounts', self._meta['namespace'], account)}/token"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        return str((await self._cluster.create(path, body))["status"]["token"])

    async def write_status(self, status: JsonObject) -> None:
        """Write the pod's status, again and again while the API server is away.

        Raises NotFoundInCluster once the pod has been deleted, or another error that a repetition would not
        mend.
        """
        path = f"{paths.pods(self._meta['namespace'], self._meta['name'])}/status"
        body = {"metadata": {"uid": self._meta["uid"]}, "status": status}
        while True:
            try:
                await self._cluster.patch(path, body)
                return
            except NotFoundInCluster:
                raise
            except KronkeepError as fault:
                if not fault.retryable:
                    raise
                await self._clock.sleep(STATUS_RETRY_SECONDS)

    async def create_warning(self, reason: str, message: str) -> None:
        """Create an Event of the type Warning about the pod."""
        now = format_timestamp(self._clock.now())
        namespace = self._meta["namespace"]
        body = {
            "metadata": {"generateName": f"{self._meta['name']}.", "namespace": namespace},
            "involvedObject": {
                "kind": "Pod",
                "namespace": namespace,
                "name": self._meta["name"],
                "uid": self._meta["uid"],
                "apiVersion": "v1",
            },
            "reason": reason,
            "message": clean(message, LONGEST_MESSAGE),
            "source": {"component": "kubelet"},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "type": "Warning",
        }
        await self._cluster.create(paths.events(namespace), body)

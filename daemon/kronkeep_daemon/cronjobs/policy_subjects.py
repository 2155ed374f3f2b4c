"""What may carry a backup policy, of all clusters: CronJobs, and claims with a policy of their own."""

from collections.abc import Iterator, Mapping

from kronkeep_common.errors import CronJobNotFound
from kronkeep_common.text import clean
from kronkeep_daemon.cronjobs.run_recorder import RunRecorder
from kronkeep_daemon.kube.objects import CronJobObject, CronJobRef
from kronkeep_daemon.kube.subjects import PolicySubject


class PolicySubjects:
    """The subjects as the recorders of the clusters last saw them; recorders are by the cluster's id."""

    def __init__(self, recorders: Mapping[str, RunRecorder]) -> None:
        self._recorders = recorders

    def objects(self, namespace: str | None = None) -> Iterator[PolicySubject]:
        """Yield every CronJob and claim with a policy, by cluster, each as it is when it is yielded."""
        for recorder in list(self._recorders.values()):
            yield from list_cronjobs(recorder, namespace)
            for ref in recorder.claims.refs(namespace):
                claim = recorder.claims.get(ref)
                if claim is not None:
                    yield claim

    def get(self, ref: CronJobRef) -> PolicySubject | None:
        """Return a CronJob, or a claim with a policy; None where it is not there."""
        recorder = self._recorders[ref.cluster]
        return recorder.cache.cronjobs.get(ref) or recorder.claims.get(ref)

    def knows_claims(self, cluster: str) -> bool:
        """Whether every claim with a policy of a cluster is known."""
        return self._recorders[cluster].watches.knows_claims()

    def clusters_awaiting_claims(self) -> frozenset[str]:
        """Return the ids of the clusters whose claims have neither been listed nor refused yet."""
        return frozenset(
            cluster for cluster, recorder in self._recorders.items() if recorder.watches.awaits_claims()
        )


def list_cronjobs(recorder: RunRecorder, namespace: str | None = None) -> Iterator[CronJobObject]:
    """Yield the CronJobs of a cluster by namespace and name, each as it is when it is yielded."""
    cronjobs = recorder.cache.cronjobs
    for ref in sorted(ref for ref in cronjobs if namespace in (None, ref.namespace)):
        if ref in cronjobs:
            yield cronjobs[ref]


def has_subject(recorder: RunRecorder, ref: CronJobRef) -> bool:
    """Whether the cluster has the CronJob, or the claim with a policy."""
    return ref in recorder.cache.cronjobs or ref in recorder.claims


def no_claim_error(namespace: str, claim: str) -> CronJobNotFound:
    """Return the error about a claim that is not there, or has no policy."""
    return CronJobNotFound(
        f"There is no claim {clean(namespace, 63)}/{clean(claim, 253)} with a policy of its own.",
        next_step="Give it one: kronkeep apply -f FILE with kind: ClaimPolicy.",
    )

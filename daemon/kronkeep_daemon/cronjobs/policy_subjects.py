"""What may carry a backup policy, of all clusters: CronJobs, and claims with a policy of their own."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping

from kronkeep_common import subject_names
from kronkeep_common.errors import CronJobNotFound
from kronkeep_common.text import clean
from kronkeep_daemon.cronjobs.run_recorder import RunRecorder
from kronkeep_daemon.kube.objects import CronJobObject, CronJobRef
from kronkeep_daemon.kube.subjects import PolicySubject
from kronkeep_daemon.loop_turns import LoopTurn


class PolicySubjects:
    """The subjects as the recorders of the clusters last saw them; recorders are by the cluster's id."""

    def __init__(self, recorders: Mapping[str, RunRecorder]) -> None:
        self._recorders = recorders

    def objects(self, namespace: str | None = None) -> Iterator[PolicySubject]:
        """Yield every CronJob and claim with a policy, by cluster, each as it is when it is yielded."""
        for recorder in list(self._recorders.values()):
            yield from list_cronjobs(recorder, namespace)
            yield from _list_claims(recorder, namespace)

    async def carriers(self, clusters: Callable[[], frozenset[str]]) -> AsyncIterator[PolicySubject]:
        """Yield each CronJob and claim of these clusters (ids) with a policy, readable or not.

        Other tasks run in between.

        clusters: asked again after each time that others had, as they may have changed.
        """
        turn = LoopTurn()
        chosen = clusters()
        for subject in self._all_carriers():
            if await turn.give_way():
                chosen = clusters()
            if subject.cluster in chosen:
                yield subject

    def _all_carriers(self) -> Iterator[PolicySubject]:
        """Yield them by cluster, each as it is when it is yielded."""
        for recorder in list(self._recorders.values()):
            cronjobs = recorder.cache.cronjobs
            for ref in cronjobs.list_carriers():
                carrier = cronjobs.carriers.get(ref)
                if carrier is not None:
                    yield carrier
            yield from _list_claims(recorder)

    def marked(self) -> Iterator[CronJobObject]:
        """Yield the CronJobs with the mark of a maintenance, by cluster, namespace and name."""
        for recorder in list(self._recorders.values()):
            marked = recorder.cache.cronjobs.marked
            yield from [marked[ref] for ref in sorted(marked)]

    def namespaces(self) -> set[str]:
        """Return the namespaces that have CronJobs."""
        return {ref.namespace for recorder in self._recorders.values() for ref in recorder.cache.cronjobs}

    def get(self, ref: CronJobRef) -> PolicySubject | None:
        """Return a CronJob, or a claim with a policy; None where it is not there."""
        recorder = self._recorders[ref.cluster]
        return recorder.cache.cronjobs.get(ref) or recorder.claims.get(ref)

    def knows_claims(self, cluster: str) -> bool:
        """Whether every claim with a policy of a cluster is known."""
        return self._recorders[cluster].watches.knows_claims()

    def clusters_awaiting_claims(self) -> frozenset[str]:
        """Return the ids of the clusters whose claims have neither been listed nor forbidden yet."""
        return frozenset(
            cluster for cluster, recorder in self._recorders.items() if recorder.watches.awaits_claims()
        )


def list_cronjobs(recorder: RunRecorder, namespace: str | None = None) -> Iterator[CronJobObject]:
    """Yield the CronJobs of a cluster by namespace and name, each as it is when it is yielded."""
    cronjobs = recorder.cache.cronjobs
    for ref in cronjobs.list_refs(namespace):
        cronjob = cronjobs.get(ref)
        if cronjob is not None:
            yield cronjob


def _list_claims(recorder: RunRecorder, namespace: str | None = None) -> Iterator[PolicySubject]:
    for ref in recorder.claims.refs(namespace):
        claim = recorder.claims.get(ref)
        if claim is not None:
            yield claim


def has_subject(recorder: RunRecorder, ref: CronJobRef) -> bool:
    """Whether the cluster has the CronJob, or the claim with a policy."""
    return ref in recorder.cache.cronjobs or ref in recorder.claims


def is_unlisted(recorder: RunRecorder, name: str) -> bool:
    """Whether the cluster may have a CronJob, or a claim with a policy, of that name that was not listed yet.

    The claims are listed beside the CronJobs, and may come after them.
    """
    if subject_names.claim_of(name) is None:
        return not recorder.synced.is_set()
    watches = recorder.watches
    return watches.awaits_claims() or not (recorder.synced.is_set() or watches.knows_claims())


def no_claim_error(namespace: str, claim: str) -> CronJobNotFound:
    """Return the error about a claim that is not there, or has no policy."""
    return CronJobNotFound(
        f"There is no claim {clean(namespace, 63)}/{clean(claim, 253)} with a policy of its own.",
        next_step="Give it one: kronkeep apply -f FILE with kind: ClaimPolicy.",
    )

"""The coverage service: it lists the claims of every cluster and judges who backs each up.

Claims are listed, not watched: they change rarely, and a list every five minutes costs the API server less
than a watch of all of them. A request lists them again, unless that was done two seconds before.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from decimal import Decimal
from itertools import chain, islice
from typing import NamedTuple

from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError
from kronkeep_common.models.coverage import ClaimCoverage, CoverageFault
from kronkeep_common.states import BackupStatus
from kronkeep_common.text import clean
from kronkeep_daemon.backups import policy_annotations
from kronkeep_daemon.coverage import rules
from kronkeep_daemon.coverage.backup_times import collect_backup_times
from kronkeep_daemon.coverage.rules import BackupTimes, ClaimFacts, ClaimKey, ClaimUser
from kronkeep_daemon.cronjobs import CronJobService, pod_volumes
from kronkeep_daemon.cronjobs.last_applied import quantity_amount
from kronkeep_daemon.cronjobs.maintenance_marks import read_marks
from kronkeep_daemon.history import CronJobMemo, History
from kronkeep_daemon.history.facts import claims_seen_key
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.claims import ClaimObject
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import Forbidden
from kronkeep_daemon.kube.objects import CronJobObject
from kronkeep_daemon.kube.subjects import PolicySubject
from kronkeep_daemon.loop_turns import LoopTurn
from kronkeep_daemon.storage_kinds import access_of, own_namespace
from kronkeep_daemon.storages.service import StorageService

log = logging.getLogger(__name__)
LIST_SECONDS = 300.0  # between two lists of the claims
JUDGE_SECONDS = 60.0  # between two judgements, for the alerts
FRESH_SECONDS = 2.0  # a list that is younger answers a request
MOST_CLAIMS = 100_000  # of one cluster
BACKUPS_READ = 50  # good ones of a CronJob, in which each claim is looked for
LIST_NEXT_STEP = "Grant `list` on persistentvolumeclaims: systemd/kubernetes/rights.yaml has the rule."
MOST_BYTES = Decimal(2**63)


class ListedClaims(NamedTuple):
    """The claims of one cluster as they were listed at `at` (monotonic), and which could not be."""

    at: float
    claims: tuple[ClaimFacts, ...]
    faults: tuple[CoverageFault, ...] = ()


class CoverageReport(NamedTuple):
    """The claims with their coverage, and of which clusters and namespaces they are not known."""

    claims: tuple[ClaimCoverage, ...] = ()
    faults: tuple[CoverageFault, ...] = ()


class CoverageService:
    """Coverage of the claims of every cluster."""

    def __init__(
        self, *, cronjobs: CronJobService, storages: StorageService, history: History, clock: Clock
    ) -> None:
        self._cronjobs = cronjobs
        self._storages = storages
        self._history = history
        self._clock = clock
        self._backup_times = CronJobMemo(self._read_backup_times, history.backups)
        self._listed: dict[str, ListedClaims] = {}
        self._listing = asyncio.Lock()
        self.latest = CoverageReport()
        self._judged: frozenset[str] = frozenset()

    async def run(self) -> None:
        """Judge again and again, for the alerts."""
        await self._cronjobs.wait_until_one_synced()
        while True:
            try:
                await self._list(LIST_SECONDS)
                await self._judge()
            except KronkeepError as fault:
                log.warning("coverage: %s", fault)
            await self._clock.sleep(JUDGE_SECONDS)

    def is_known(self, cluster: str) -> bool:
        """Return whether all claims of a cluster were judged the last time."""
        faults = {fault.cluster for fault in self.latest.faults}
        return cluster in self._judged and cluster not in faults

    def first_listed_at(self, cluster: str) -> datetime | None:
        """Return when the claims of a cluster were first listed; later ones are new."""
        fact = self._history.facts.get(claims_seen_key(cluster))
        return fact.created_at if fact is not None else None

    async def report(self) -> CoverageReport:
        """Return the coverage as it is now."""
        await self._list(FRESH_SECONDS)
        return await self._judge()

    async def _judge(self) -> CoverageReport:
        """Judge the claims as they were listed last."""
        judged = frozenset(self._listed) - self._cronjobs.pending_clusters()
        judged -= self._cronjobs.subjects.clusters_awaiting_claims()
        self.latest = await self._judge_listed()
        self._judged = judged
        return self.latest

    async def _judge_listed(self) -> CoverageReport:
        """Return the coverage of the claims, worst first."""
        users = rules.index_users([user async for user in self._users()])
        storages = self._storage_claims()
        coverage = []
        turn = LoopTurn()
        for claim in chain.from_iterable(each.claims for each in list(self._listed.values())):
            key = (claim.cluster, claim.namespace, claim.name)
            coverage.append(rules.judge_claim(claim, users.get(key, ()), storages.get(key)))
            await turn.give_way()
        faults = chain.from_iterable(each.faults for each in self._listed.values())
        return CoverageReport(tuple(sorted(coverage, key=_order)), tuple(faults))

    async def _users(self) -> AsyncIterator[ClaimUser]:
        turn = LoopTurn()
        for cronjob in self._cronjobs.subjects.objects():
            yield self._user_of(cronjob)
            await turn.give_way()

    def _user_of(self, cronjob: PolicySubject) -> ClaimUser:
        parsed = policy_annotations.read_policy(cronjob)
        stopped = None
        if parsed.policy is not None:
            refusal = self._storages.find_refusal(
                parsed.policy.storage_id, cronjob.cluster, cronjob.namespace
            )
            stopped = rules.explain_stop(
                parsed.policy,
                is_suspended=_is_suspended(cronjob),
                storage_refusal=refusal.message if refusal is not None else None,
            )
        return ClaimUser(
            cluster=cronjob.cluster,
            namespace=cronjob.namespace,
            cronjob=clean(cronjob.name, policy_annotations.LONGEST_NAME),
            volumes=pod_volumes.list_mounted_volumes(cronjob),
            policy=parsed.policy,
            policy_fault=parsed.fault,
            stopped=stopped,
            backed_up=self._backup_times(cronjob.uid),
        )

    def _read_backup_times(self, cronjob_id: str) -> Mapping[str, BackupTimes]:
        pages = self._history.backups.pages(
            BACKUPS_READ, cronjob_id=cronjob_id, status=BackupStatus.SUCCEEDED
        )
        return collect_backup_times(islice(chain.from_iterable(pages), BACKUPS_READ))

    def _storage_claims(self) -> dict[ClaimKey, str]:
        """Return the storages whose repositories are on claims, by the claim."""
        storages = {}
        for storage in self._storages.list():
            volume = access_of(storage).volume or {}
            claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
            if claim is not None:
                storages[(storage.cluster, own_namespace(storage), claim)] = storage.id
        return storages

    async def _list(self, fresh_seconds: float) -> None:
        """List the claims of each cluster whose last list is older."""
        async with self._listing:
            ids = {cluster.id for cluster in self._cronjobs.clusters}
            self._listed = {known: listed for known, listed in self._listed.items() if known in ids}
            now = self._clock.monotonic()
            for cluster in self._cronjobs.clusters:
                listed = self._listed.get(cluster.id)
                oldest = FRESH_SECONDS if listed is not None and listed.faults else fresh_seconds
                if listed is None or now - listed.at >= oldest:
                    self._listed[cluster.id] = await self._list_cluster(cluster, listed)

    async def _list_cluster(self, cluster: Cluster, former: ListedClaims | None) -> ListedClaims:
        """List the claims of a cluster; of a namespace that cannot be listed now the former ones stay."""
        namespaces: tuple[str | None, ...] = self._cronjobs.recorders[cluster.id].watches.namespaces or (
            None,
        )
        claims: list[ClaimFacts] = []
        faults = []
        for namespace in namespaces:
            try:
                claims += await self._list_namespace(cluster, namespace)
                if len(claims) > MOST_CLAIMS:
                    faults.append(_too_many(cluster.id, namespace))
                    break
            except KronkeepError as fault:
                faults.append(_fault_of(cluster.id, namespace, fault))
                known = former.claims if former is not None else ()
                claims += [claim for claim in known if namespace in (None, claim.namespace)]
        if not faults:
            self._history.facts.first_seen(claims_seen_key(cluster.id), self._clock.now())
        return ListedClaims(self._clock.monotonic(), tuple(claims[:MOST_CLAIMS]), tuple(faults))

    async def _list_namespace(self, cluster: Cluster, namespace: str | None) -> list[ClaimFacts]:
        """Return the claims of a namespace, or of all for None, a page more than MOST_CLAIMS at most."""
        claims: list[ClaimFacts] = []
        record_id_of = self._cronjobs.recorders[cluster.id].record_id_of
        async for page, _ in cluster.pages_of(paths.claims(namespace), ClaimObject):
            now = self._clock.now()
            claims += [facts_of(claim, cluster.id, now, record_id_of) for claim in page]
            if len(claims) > MOST_CLAIMS:
                break
        return claims


def _is_suspended(subject: PolicySubject) -> bool:
    """Whether somebody has suspended a CronJob; a maintenance, which ends, does not count."""
    if not isinstance(subject, CronJobObject):
        return False
    return bool(subject.spec.suspend) and not read_marks(subject)


def _too_many(cluster: str, namespace: str | None) -> CoverageFault:
    message = f"There are more than {MOST_CLAIMS} claims; the others are not judged."
    return CoverageFault(cluster=cluster, namespace=namespace, message=message)


def _fault_of(cluster: str, namespace: str | None, fault: KronkeepError) -> CoverageFault:
    step = LIST_NEXT_STEP if isinstance(fault, Forbidden) else fault.next_step
    message = f"The claims could not be listed: {fault.message}"
    return CoverageFault(cluster=cluster, namespace=namespace, message=message, next_step=step)


def _order(claim: ClaimCoverage) -> tuple[bool, str, str, str]:
    return not claim.is_uncovered, claim.namespace, claim.name, claim.cluster


def facts_of(
    claim: ClaimObject, cluster: str, now: datetime, record_id_of: Callable[[str], str] = str
) -> ClaimFacts:
    """Return what the rules know of a claim; `now` stands in for a time that the server leaves out.

    record_id_of: makes the id in records from a uid.
    """
    meta = claim.metadata
    amount = quantity_amount(claim.size)
    is_size = amount is not None and 0 <= amount < MOST_BYTES
    return ClaimFacts(
        cluster=cluster,
        namespace=meta.namespace,
        name=meta.name,
        uid=record_id_of(meta.uid),
        created_at=claim.created_at or now,
        is_bound=claim.status.phase != "Pending",
        is_block=claim.spec.volume_mode == "Block",
        size_bytes=int(amount) if amount is not None and is_size else None,
        storage_class=clean(claim.spec.storage_class_name or "", 253) or None,
        exemption=clean(claim.exemption, rules.LONGEST_REASON),
    )

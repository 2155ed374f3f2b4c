"""The claims of one cluster that carry a backup policy, as the list and the watch last showed them."""

from collections.abc import Callable
from functools import partial

import msgspec

from kronkeep_common import subject_names
from kronkeep_daemon.cronjobs.cluster_cache import ChangeKind
from kronkeep_daemon.kube.claims import ClaimObject
from kronkeep_daemon.kube.objects import CronJobRef
from kronkeep_daemon.kube.subjects import PolicyClaim
from kronkeep_daemon.kube.watch import WholeList


class PolicyClaimCache:
    """The cached claims; those without a policy are not kept.

    cluster_id: returns the cluster's id.
    record_id_of: makes the id of records from a uid.
    on_change: called after each change of a claim's policy; a claim that has lost it counts as removed.
    """

    def __init__(
        self,
        cluster_id: Callable[[], str],
        on_change: Callable[[ChangeKind, PolicyClaim], None],
        record_id_of: Callable[[str], str] = str,
    ) -> None:
        self._record_id_of = record_id_of
        self._cluster_id = cluster_id
        self._on_change = on_change
        self._claims: dict[CronJobRef, PolicyClaim] = {}

    def __contains__(self, ref: CronJobRef) -> bool:
        return ref in self._claims

    def get(self, ref: CronJobRef) -> PolicyClaim | None:
        """Return a claim that carries a policy, or None."""
        return self._claims.get(ref)

    def refs(self, namespace: str | None = None) -> list[CronJobRef]:
        """Return the claims of one namespace, or of all for None, by namespace and name."""
        return sorted(ref for ref in self._claims if namespace in (None, ref.namespace))

    def receiver(self, namespace: str | None) -> WholeList[ClaimObject]:
        """Return the receiver of the lists of a namespace, or of all for None."""
        return WholeList(partial(self.sync, namespace))

    def sync(self, namespace: str | None, items: list[ClaimObject]) -> None:
        """Replace the claims of one namespace, or of all for None, by a full list."""
        cluster_id = self._cluster_id()
        listed = {claim.ref for item in items if (claim := PolicyClaim.of(item, cluster_id)) is not None}
        for ref in self.refs(namespace):
            if ref not in listed:
                self._remove(ref)
        for item in items:
            self.update("MODIFIED", item)

    def update(self, event_type: str, item: ClaimObject) -> None:
        """Apply an event of the watch; `event_type` is ADDED, MODIFIED or DELETED."""
        claim = PolicyClaim.of(item, self._cluster_id())
        if claim is None or event_type == "DELETED":
            name = subject_names.name_of_claim(item.metadata.name)
            ref = CronJobRef(self._cluster_id(), item.metadata.namespace, name)
            self._remove(ref, self._record_id_of(item.metadata.uid))
            return
        claim = msgspec.structs.replace(claim, uid=self._record_id_of(claim.uid))
        old = self._claims.get(claim.ref)
        self._claims[claim.ref] = claim
        if old is None:
            self._on_change("added", claim)
        elif (old.uid, old.policy) != (claim.uid, claim.policy):
            self._on_change("changed", claim)

    def _remove(self, ref: CronJobRef, uid: str | None = None) -> None:
        """Forget a claim; with a `uid`, only where it is that claim and no newer one of its name."""
        claim = self._claims.get(ref)
        if claim is None or (uid is not None and uid != claim.uid):
            return
        del self._claims[ref]
        self._on_change("removed", claim)

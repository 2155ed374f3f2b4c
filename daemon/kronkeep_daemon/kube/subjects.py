"""What a backup policy is on: a CronJob, or a PersistentVolumeClaim with a policy of its own."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import msgspec

from kronkeep_common import object_keys, subject_names
from kronkeep_daemon.kube.claims import ClaimObject
from kronkeep_daemon.kube.objects import CronJobRef


class PolicySubject(Protocol):
    """What all code that deals with policies knows of a CronJob or a claim."""

    @property
    def cluster(self) -> str: ...

    @property
    def namespace(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def uid(self) -> str: ...

    @property
    def ref(self) -> CronJobRef: ...

    @property
    def annotations(self) -> dict[str, str]: ...

    @property
    def created_at(self) -> datetime | None: ...


class PolicyClaim(msgspec.Struct, frozen=True, kw_only=True):
    """A claim that carries a policy in an annotation; `claim` is its own name, `name` that in records."""

    cluster: str
    namespace: str
    claim: str
    uid: str
    resource_version: str
    created_at: datetime | None
    policy: str
    is_block: bool = False

    @classmethod
    def of(cls, claim: ClaimObject, cluster: str) -> PolicyClaim | None:
        """Return a claim with its policy; None for one without."""
        meta = claim.metadata
        policy = meta.annotations.policy if meta.annotations is not None else None
        if policy is None:
            return None
        return cls(
            cluster=cluster,
            namespace=meta.namespace,
            claim=meta.name,
            uid=meta.uid,
            resource_version=meta.resource_version,
            created_at=claim.created_at,
            policy=policy,
            is_block=claim.spec.volume_mode == "Block",
        )

    @property
    def name(self) -> str:
        """The name by which records mean it; no CronJob has it."""
        return subject_names.name_of_claim(self.claim)

    @property
    def ref(self) -> CronJobRef:
        """The identity by name."""
        return CronJobRef(self.cluster, self.namespace, self.name)

    @property
    def annotations(self) -> dict[str, str]:
        """The annotation with the policy; no other is read."""
        return {object_keys.POLICY: self.policy}

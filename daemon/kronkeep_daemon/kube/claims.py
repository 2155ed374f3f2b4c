"""PersistentVolumeClaims: the fields that are read of them, as structs."""

from __future__ import annotations

from datetime import datetime

import msgspec

from kronkeep_common import object_keys
from kronkeep_daemon.kube.timestamps import parse_timestamp

VOLUME_COPY_EXEMPTION = "made from another claim for one archive, and removed after it"


class _Capacity(msgspec.Struct, gc=False):
    """The quantities of spec.resources.requests or of status.capacity."""

    storage: str | int | None = None


class _Resources(msgspec.Struct, gc=False):
    """The resources in the spec of a claim."""

    requests: _Capacity | None = None


class ClaimAnnotations(
    msgspec.Struct, gc=False, rename={"exempt": object_keys.EXEMPT, "policy": object_keys.POLICY}
):
    """The annotations that are read of a claim."""

    exempt: str | None = None
    policy: str | None = None


class ClaimLabels(msgspec.Struct, gc=False, rename={"role": object_keys.ROLE_LABEL}):
    """The labels that are read of a claim."""

    role: str | None = None


class ClaimMeta(msgspec.Struct, gc=False, rename="camel"):
    """The metadata of a claim."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    creation_timestamp: str | None = None
    annotations: ClaimAnnotations | None = None
    labels: ClaimLabels | None = None


class ClaimSpec(msgspec.Struct, gc=False, rename="camel"):
    """The spec of a claim."""

    storage_class_name: str | None = None
    volume_mode: str | None = None
    resources: _Resources | None = None


class ClaimState(msgspec.Struct, gc=False):
    """The status of a claim; `phase` is Pending, Bound or Lost."""

    phase: str = ""
    capacity: _Capacity | None = None


class ClaimObject(msgspec.Struct, gc=False):
    """A PersistentVolumeClaim of v1."""

    metadata: ClaimMeta = msgspec.field(default_factory=ClaimMeta)
    spec: ClaimSpec = msgspec.field(default_factory=ClaimSpec)
    status: ClaimState = msgspec.field(default_factory=ClaimState)

    @property
    def exemption(self) -> str:
        """Why somebody says that it needs no backup; empty where nobody does."""
        annotations = self.metadata.annotations
        stated = (annotations.exempt or "").strip() if annotations is not None else ""
        return stated or (VOLUME_COPY_EXEMPTION if self.is_volume_copy else "")

    @property
    def is_volume_copy(self) -> bool:
        """Whether kronkeep made it from another claim, for one archive."""
        labels = self.metadata.labels
        return labels is not None and labels.role == object_keys.VOLUME_COPY_ROLE

    @property
    def size(self) -> str | int | None:
        """The quantity of its volume's capacity; where it has no volume, of what it requests."""
        requested = self.spec.resources.requests if self.spec.resources is not None else None
        size = self.status.capacity or requested
        return size.storage if size is not None else None

    @property
    def created_at(self) -> datetime | None:
        """When it was created, by the API server's clock."""
        return parse_timestamp(self.metadata.creation_timestamp)

"""The labels that are read of objects, as a struct."""

from __future__ import annotations

import msgspec

from kronkeep_common import object_keys


class MetaLabels(msgspec.Struct, gc=False, rename={"managed_by": object_keys.MANAGED_BY_LABEL}):
    """The labels that are read of a Job."""

    managed_by: str | None = None

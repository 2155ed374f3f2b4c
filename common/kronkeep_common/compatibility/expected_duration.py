"""How long a run is expected to take: what recent runs took, else what the policy says, else a default."""

import math
from collections.abc import Sequence


def percentile_95(durations: Sequence[float]) -> float | None:
    """The 95th percentile by nearest rank (the ceil(0.95 n)-th smallest), in seconds; None for none."""
    if not durations:
        return None
    return sorted(durations)[math.ceil(0.95 * len(durations)) - 1]

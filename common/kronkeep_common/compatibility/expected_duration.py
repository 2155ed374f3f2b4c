"""How long a run is expected to take, from the durations of recent runs."""

import math
from collections.abc import Sequence


def percentile_95(durations: Sequence[float]) -> float | None:
    """Return the 95th percentile by nearest rank (the ceil(0.95 n)-th smallest); None for no durations."""
    if not durations:
        return None
    return sorted(durations)[math.ceil(0.95 * len(durations)) - 1]

"""The two sentences that stand for a reason code."""

from typing import NamedTuple


class ReasonText(NamedTuple):
    """One sentence on what a code means, and one on what to do."""

    meaning: str
    next_step: str

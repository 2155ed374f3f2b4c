"""The Coverage page: the claims that nobody backs up, then the others; pure."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from kronkeep_common.api import CoverageList
from kronkeep_common.models.coverage import ClaimCoverage
from kronkeep_common.text import age, clean, count_words, size
from kronkeep_tui.pages.status_words import cause
from kronkeep_tui.widgets.cells import Text, fit

_ROLES = {"covered": "ok", "exempt": "quiet", "storage": "quiet", "unbound": "quiet", "partly": "warn"}


def lines(coverage: CoverageList, now: datetime, width: int) -> list[Text]:
    """Return the lines of the page: how many are covered, what is not and why, then the rest."""
    uncovered = [claim for claim in coverage.items if claim.is_uncovered]
    others = [claim for claim in coverage.items if not claim.is_uncovered]
    drawn: list[Text] = [_summary(coverage, len(uncovered)), ()]
    for fault in coverage.faults:
        drawn += [*cause(fault.message, fault.next_step, width, "warn"), ()]
    if uncovered:
        drawn += [((_head(), "quiet"),), *_uncovered_lines(uncovered, now, width)]
    if others:
        drawn += [((_head(), "quiet"),), *(_claim_line(claim, now) for claim in others)]
    return drawn


def _summary(coverage: CoverageList, uncovered: int) -> Text:
    claims = coverage.items
    counts = Counter(claim.status for claim in claims)
    words = ", ".join(f"{count} {status}" for status, count in counts.most_common())
    if coverage.faults:
        return (("Not all claims are known", "bad"), (f": {words or 'none is'}", ""))
    if not claims:
        return (("There is no claim in the watched namespaces.", "quiet"),)
    head = (
        f"{uncovered} of {count_words(len(claims), 'claim')} may lose data"
        if uncovered
        else "Nothing is unprotected"
    )
    return ((head, "bad" if uncovered else "ok"), (f": {words}", ""))


def _head() -> str:
    return f"{'STATUS':12} {'SIZE':>9} {'LAST GOOD':>9} {'VERIFIED':>8}  CLAIM"


def _uncovered_lines(claims: Iterable[ClaimCoverage], now: datetime, width: int) -> list[Text]:
    """Return a line for each claim, why it is not covered and what to do below it."""
    drawn: list[Text] = []
    for claim in claims:
        why = cause(claim.message, claim.next_step, max(20, width - 2), "")
        drawn += [_claim_line(claim, now), *((("  ", ""), *line) for line in why), ()]
    return drawn


def _claim_line(claim: ClaimCoverage, now: datetime) -> Text:
    policies = ", ".join(policy.cronjob for policy in claim.policies)
    volume = size(claim.size_bytes) if claim.size_bytes is not None else "-"
    return (
        (fit(claim.status, 12), _ROLES.get(claim.status, "bad")),
        (f" {volume:>9} {age(claim.last_good_at, now):>9} {age(claim.last_verified_at, now):>8}  ", ""),
        (clean(f"{claim.namespace}/{claim.name}"), "strong"),
        (clean(f"  {policies or claim.exemption or ''}"), "quiet"),
    )

"""The Coverage page: what is not covered first, with why and what to do."""

from datetime import timedelta

from tests.unit.tui.page_records import NOW, claim_coverage

from kronkeep_common.api import CoverageList
from kronkeep_common.models.coverage import ClaimPolicy, CoverageFault
from kronkeep_tui.pages import coverage as page

COVERED = claim_coverage(
    "data",
    status="covered",
    policies=(ClaimPolicy(policy_id="p", cronjob="db-dump", storage_id="offsite"),),
    last_good_at=NOW - timedelta(hours=8),
    next_step=None,
)


def texts(coverage: CoverageList) -> list[str]:
    return ["".join(text for text, _ in line) for line in page.lines(coverage, NOW, 100)]


def test_what_is_not_covered_comes_first() -> None:
    assert texts(CoverageList(items=[COVERED, claim_coverage("lost")])) == [
        "1 of 2 claims may lose data: 1 covered, 1 nobody",
        "",
        "STATUS            SIZE LAST GOOD VERIFIED  CLAIM",
        "nobody         1.0 GiB         -        -  shop/lost  ",
        "  No CronJob mounts it.",
        "  → Name it.",
        "",
        "STATUS            SIZE LAST GOOD VERIFIED  CLAIM",
        "covered        1.0 GiB        8h        -  shop/data  db-dump",
    ]


def test_nothing_unprotected_no_claims_and_a_fault_are_said() -> None:
    assert texts(CoverageList(items=[COVERED]))[0] == "Nothing is unprotected: 1 covered"
    fault = CoverageFault(cluster="c", message="The claims could not be listed.", next_step="Grant list.")
    lines = texts(CoverageList(items=[], faults=[fault]))
    assert "There is no claim" not in lines[0]
    assert lines[2:] == ["The claims could not be listed.", "→ Grant list.", ""]
    assert "There is no claim" in texts(CoverageList(items=[]))[0]


def test_what_a_cluster_named_so_cannot_reach_the_terminal() -> None:
    joined = "\n".join(texts(CoverageList(items=[claim_coverage("a\x1b[2J", exemption="\u202ex")])))
    assert "\x1b" not in joined
    assert "\u202e" not in joined

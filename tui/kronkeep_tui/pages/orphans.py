"""Content of the view of policies that no CronJob carries any more: what they keep, and what may be done."""

from datetime import datetime

from kronkeep_common.api import Adopted
from kronkeep_common.models import OrphanedPolicy
from kronkeep_common.text import age, count_words, size
from kronkeep_tui.pages.moments import age_cell
from kronkeep_tui.pages.policies import retention_words
from kronkeep_tui.pages.status_words import cause
from kronkeep_tui.widgets.cells import Text, wrap
from kronkeep_tui.widgets.row_table import Column, TableRow

COLUMNS = (
    Column(title="CRONJOB THAT WAS", width=18, grow=3, letter="n"),
    Column(title="POLICY", width=12),
    Column(title="SNAPSHOTS", width=9, right=True),
    Column(title="GOOD", width=5, right=True),
    Column(title="STORED", width=10, right=True, drop=1),
    Column(title="NEWEST", width=7, right=True, letter="a", is_moment=True),
    Column(title="WOULD GO", width=9, right=True),
)


def key_of(orphan: OrphanedPolicy) -> str:
    """Return what tells an orphaned policy from all others, as the argument of its retention page."""
    return f"{orphan.cluster} {orphan.namespace} {orphan.cronjob} {orphan.policy_id}"


def row(orphan: OrphanedPolicy, now: datetime) -> TableRow:
    """Return the row of an orphaned policy."""
    removable = str(orphan.removable) if orphan.retention is not None else "-"
    cells = (
        f"{orphan.namespace}/{orphan.cronjob}",
        orphan.policy_id[:12],
        str(orphan.snapshots),
        str(orphan.good),
        size(orphan.bytes_stored) if orphan.bytes_stored is not None else "-",
        age_cell(orphan.newest_at, now),
        removable,
    )
    return TableRow(key_of(orphan), cells)


def detail(orphan: OrphanedPolicy, now: datetime, width: int) -> list[Text]:
    """Return what the policy kept, and the two ways on: its rules, or another policy."""
    span = f"{age(orphan.oldest_at, now)} to {age(orphan.newest_at, now)} old"
    lines: list[Text] = [
        (
            (f"{count_words(orphan.snapshots, 'snapshot')} of the policy {orphan.policy_id}", "strong"),
            (f", {span}, in {', '.join(orphan.storage_ids)}", "quiet"),
        )
    ]
    if orphan.retention is None:
        lines += cause("Its rules are not known: only its snapshots were found.", None, width, "warn")
    else:
        rules = f"It kept {retention_words(orphan.retention)}. By these rules {orphan.removable} would go now"
        lines += cause(f"{rules}; enter shows them, and a removes them there.", None, width, "")
    adopters = ", ".join(orphan.adopters)
    words = f"a: adopted by {adopters}" if adopters else no_likely_adopter(orphan)
    return lines + [((part, ""),) for part in wrap(words, max(10, width))]


def no_likely_adopter(orphan: OrphanedPolicy) -> str:
    """Return that no CronJob is likely to adopt the backups, and why."""
    claims = f" or its claims ({', '.join(orphan.claims)})" if orphan.claims else ""
    return f"No CronJob of {orphan.namespace} with a policy has that name{claims}; a asks for another."


def adoption_question(orphan: OrphanedPolicy, plan: Adopted, name: str) -> str:
    """Return what an adoption changes, as the question before it."""
    claims = f", of the claims {', '.join(plan.claims)}," if plan.claims else ""
    whose = f"{orphan.namespace}/{orphan.cronjob}{claims}"
    return f"{count_words(plan.backups, 'backup')} of {whose} become those of {name}."

"""Content of a restore's page: its plan, its progress, its end."""

from datetime import datetime

from kronkeep_common.models import Restore, RestorePlan, RestoreTarget
from kronkeep_common.snapshot_age import describe_snapshot_age
from kronkeep_common.states import RestoreStatus
from kronkeep_common.text import age, count_words, duration, size
from kronkeep_tui.pages.status_words import cause, progress_words, state
from kronkeep_tui.widgets.cells import Text, wrap

CHAIN = (
    RestoreStatus.PENDING,
    RestoreStatus.PREPARING,
    RestoreStatus.RESTORING,
    RestoreStatus.VERIFYING,
    RestoreStatus.COMPLETED,
)


def target_words(target: RestoreTarget | None) -> str:
    """Return a target in words."""
    if target is None:
        return "scratch space, to compare"
    if target.kind == "in-place":
        return "in place"
    kind = "new claim" if target.kind == "new-claim" else "claim"
    folder = f", folder {target.path}" if target.path else ""
    return f"{kind} {target.namespace or ''}/{target.claim or ''}{folder}"


def plan_lines(plan: RestorePlan, include: tuple[str, ...], now: datetime, width: int) -> list[Text]:
    """Return what would be written, overwritten and left as it is."""
    lines: list[Text] = [
        (("restore ", "quiet"), (plan.snapshot_id[:12], "strong"), (f" → {target_words(plan.target)}", "")),
        *_age_lines(plan, now, width),
        ((f"{_contents(plan)}, {size(plan.total_bytes)}", ""),),
        (
            (f"{plan.written} new, ", ""),
            (f"{plan.overwritten} overwritten", "warn" if plan.overwritten else ""),
            (f" ({size(plan.overwritten_bytes)})" if plan.overwritten else "", ""),
            (f", {plan.type_changes} of another type replaced" if plan.type_changes else "", "warn"),
            (f", {plan.removed} removed with their folder" if plan.removed else "", "warn"),
            (f", {plan.left} stay as they are", ""),
        ),
    ]
    if plan.new_claim_bytes is not None:
        lines.append(((f"the new claim asks for {size(plan.new_claim_bytes)}", ""),))
    if plan.expected_seconds is not None:
        lines.append(((f"about {duration(plan.expected_seconds)} by earlier restores", ""),))
    for path in include:
        lines.append((("only ", "quiet"), (path, "")))
    for words, kind in (*((w, "warn") for w in plan.warnings), (plan.refusal, "bad")):
        lines += [((part, kind),) for part in wrap(words, width)] if words else []
    for title, paths in (
        ("overwritten", plan.overwritten_examples),
        ("replaced", plan.type_change_examples),
        ("removed", plan.removed_examples),
        ("stays", plan.left_examples),
    ):
        lines += [((f"{title:12}", "quiet"), (path, "")) for path in paths]
    return lines


def _age_lines(restored: Restore | RestorePlan, now: datetime, width: int) -> list[Text]:
    """Return when the snapshot was made and how long ago, with a warning where a newer one is good."""
    words = describe_snapshot_age(restored, now, now.tzinfo)
    role = "warn" if restored.newer_backup_id is not None else ""
    return [((part, role),) for part in wrap(f"the snapshot {words}", width)] if words else []


def _contents(plan: RestorePlan) -> str:
    return f"{count_words(plan.files, 'file')}, {count_words(plan.folders, 'folder')}"


def restore_lines(restore: Restore, now: datetime, width: int) -> list[Text]:
    """Return how far a restore is, or how it ended."""
    lines: list[Text] = [
        (
            (f"{restore.purpose} ", "quiet"),
            state(restore.status),
            (f"  {restore.namespace}/{restore.cronjob}", "strong"),
            (f"  {restore.snapshot_id[:12]} → {target_words(restore.target)}", ""),
        ),
        *_age_lines(restore, now, width),
        _state_chain(restore),
        ((f"started {age(restore.created_at, now)} ago", "quiet"), (_took(restore), "")),
    ]
    if restore.ended_at is None:
        lines.append(((_progress_line(restore, now, width), "run"),))
    if restore.files_total is not None:
        lines.append(((f"{count_words(restore.files_total, 'file')}, {size(restore.bytes_total or 0)}", ""),))
    if restore.verified_against is not None:
        words = "the checksums" if restore.verified_against == "checksums" else "restic's hashes"
        lines.append(((f"{count_words(restore.files_verified or 0, 'file')} compared with {words}", "ok"),))
    if restore.suspended:
        lines.append((("the CronJob is suspended until the restore ends", "warn"),))
    for path in restore.include:
        lines.append((("only ", "quiet"), (path, "")))
    for warning in restore.warnings:
        lines += [((part, "warn"),) for part in wrap(warning, width)]
    return lines + cause(restore.message, restore.next_step, width, "bad")


def _progress_line(restore: Restore, now: datetime, width: int) -> str:
    """Return the progress, which restic reports from version 0.16 on."""
    began = restore.started_at or restore.created_at
    if restore.progress is None:
        return f"{duration((now - began).total_seconds())} so far; restic has not reported its progress"
    return progress_words(restore.progress, began, now, max(10, min(40, width - 50)))


def _took(restore: Restore) -> str:
    return f", took {duration(restore.duration_seconds)}" if restore.duration_seconds is not None else ""


def _state_chain(restore: Restore) -> Text:
    """Return the states in order with the present one marked."""
    found: list[tuple[str, str]] = []
    for place, status in enumerate(CHAIN):
        found.append((" → " if place else "", "quiet"))
        found.append((status, "strong" if status == restore.status else "quiet"))
    if restore.status is RestoreStatus.FAILED:
        found.append(("   failed", "bad"))
    return tuple(found)

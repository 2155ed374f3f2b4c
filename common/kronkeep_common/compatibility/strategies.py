"""The strategies for a conflict: reject, shift, after-run and accept."""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from kronkeep_common.compatibility.check import CheckContext
from kronkeep_common.compatibility.shift import find_shifted_schedule
from kronkeep_common.errors import ScheduleConflict
from kronkeep_common.models import BackupPolicySpec, Finding, Resolution, ScheduleVerdict
from kronkeep_common.schedule import Schedule


class ResolvedPolicy(NamedTuple):
    """A policy after a strategy, and one sentence on what was changed; empty where nothing was."""

    policy: BackupPolicySpec
    sentence: str


def resolve(
    strategy: str, policy: BackupPolicySpec, backup: Schedule, context: CheckContext, verdict: ScheduleVerdict
) -> ResolvedPolicy:
    """Apply a strategy to a policy whose schedule `backup` has the given verdict.

    Raise ScheduleConflict for `reject`, and for `shift` where no minute of the day fits.
    """
    conflict = next((finding for finding in verdict.findings if finding.severity == "conflict"), None)
    if conflict is None:
        return ResolvedPolicy(policy, "")
    match strategy:
        case "after-run":
            changed = msgspec.structs.replace(policy, schedule=None, time_zone=None)
            return ResolvedPolicy(changed, after_run_sentence(backup))
        case "accept":
            return ResolvedPolicy(policy, accept_sentence(verdict.findings))
        case "shift":
            return _resolve_by_shift(policy, backup, context)
    raise ScheduleConflict(conflict.message, finding=conflict.code, field="policy.schedule")


def _resolve_by_shift(policy: BackupPolicySpec, backup: Schedule, context: CheckContext) -> ResolvedPolicy:
    shifted = find_shifted_schedule(backup, context)
    if shifted is None:
        raise ScheduleConflict(
            shift_sentence(backup, None),
            next_step="Choose after-run, or another schedule.",
            finding="NoShift",
            field="policy.schedule",
        )
    return ResolvedPolicy(
        msgspec.structs.replace(policy, schedule=shifted.expr), shift_sentence(backup, shifted)
    )


def after_run_sentence(backup: Schedule) -> str:
    """Describe what `after-run` does to a schedule."""
    return f"The backup starts when the run has ended; its schedule {backup.expr!r} is dropped."


def accept_sentence(findings: tuple[Finding, ...]) -> str:
    """Describe what `accept` does about the conflicts among findings."""
    codes = ", ".join(finding.code for finding in findings if finding.severity == "conflict")
    return f"The schedules stay as they are; the conflict stays on record ({codes})."


def shift_sentence(backup: Schedule, shifted: Schedule | None) -> str:
    """Describe what `shift` does, or that no minute fits."""
    if shifted is None:
        return f"No minute of the day fits {backup.expr!r} with its cadence kept."
    return f"The backup's schedule moves from {backup.expr!r} to {shifted.expr!r}: {shifted.describe()}."


def offer_resolutions(
    backup: Schedule, context: CheckContext, verdict: ScheduleVerdict
) -> Iterator[Resolution]:
    """Yield what each strategy would do about a conflict; nothing where there is none."""
    if verdict.verdict != "conflict":
        return
    shifted = find_shifted_schedule(backup, context)
    sentence = shift_sentence(backup, shifted)
    yield Resolution(
        strategy="shift",
        possible=shifted is not None,
        message=sentence,
        schedule=shifted.expr if shifted else None,
    )
    yield Resolution(strategy="after-run", message=after_run_sentence(backup))
    yield Resolution(strategy="accept", message=accept_sentence(verdict.findings), schedule=backup.expr)

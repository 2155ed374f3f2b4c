"""The formats of an evidence report: a page to print, JSON, CSV and JUnit's XML; pure functions."""

import csv
import io
from collections.abc import Callable, Sequence
from datetime import datetime
from html import escape
from xml.sax.saxutils import quoteattr

import msgspec

from kronkeep_common.models.coverage import ClaimCoverage
from kronkeep_common.models.report import Deletion, EvidenceReport, PolicyEvidence
from kronkeep_common.text import clean, count_words, duration, size

STYLE = """
@page { size: A4 landscape; margin: 12mm }
body { font: 10pt/1.4 system-ui, sans-serif; color: #111; margin: 2em auto; max-width: 72em }
h1 { font-size: 16pt; margin: 0 } h2 { font-size: 12pt; margin-top: 1.6em } p { margin: .3em 0 }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
thead { display: table-header-group } tr { break-inside: avoid }
th, td { text-align: left; padding: .25em .5em; border-bottom: 1px solid #bbb; overflow-wrap: anywhere }
td.n, th.n { text-align: right } .bad { font-weight: bold } .bad::before { content: "\\2717\\a0" }
@media print { body { margin: 0; max-width: none } }
"""
COLUMNS = (
    "Policy of", "Storage", "RPO", "Worst gap", "From", "Good", "Partial", "Failed",
    "Missed", "Unknown", "Unverified", "Drills", "Drills failed", "RTO",
    "Slowest restore", "Last verified", "Copies", "Overdue", "Lag",
)  # fmt: skip


def as_html(report: EvidenceReport) -> bytes:
    """Return one page without scripts and without anything from outside it."""
    bad = sum(not policy.is_proven for policy in report.policies)
    summary = f"{len(report.policies)} policies; {bad} of them missed RPO or RTO, a drill or a copy."
    rows = "".join(_row(policy) for policy in report.policies)
    deletions = "".join(_cells(_deletion_cells(deletion)) for deletion in report.deletions)
    titles = ("When", "Who", "Program", "Request", "What")
    summary += (
        f" {count_words(len(report.uncovered), 'claim')} may lose data, {len(report.exempt)} are exempt."
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Backup evidence</title>'
        '<meta http-equiv="Content-Security-Policy"'
        " content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<style>{STYLE}</style></head><body><h1>Backup evidence</h1>"
        f"<p>{_minute(report.from_at)} to {_minute(report.to_at)} UTC, made {_minute(report.made_at)} UTC "
        f"by kronkeep {_text(report.version)}.</p><p>{summary}</p>"
        f"<h2>Policies</h2><table><thead>{_cells(COLUMNS, 'th')}</thead><tbody>{rows}</tbody></table>"
        f"{_claim_table('Claims whose data may be lost', 'Why', report.uncovered)}"
        f"{_claim_table('Claims that need no backup', 'Reason', report.exempt)}"
        f"{''.join(f'<p>{_text(fault.message)}</p>' for fault in report.coverage_faults)}"
        "<h2>Who deleted what</h2><table><thead>"
        f"{_cells(titles, 'th')}</thead><tbody>{deletions}</tbody></table>"
        f"{'<p>Older deletions of the period are not listed.</p>' if report.is_cut else ''}"
        f"{'' if report.deletions else '<p>Nothing was deleted.</p>'}</body></html>\n"
    ).encode()


def _row(policy: PolicyEvidence) -> str:
    name = f"{policy.namespace}/{policy.cronjob}" + (" (gone)" if policy.is_gone else "")
    gap = _text(duration(policy.worst_gap_seconds))
    failed = str(policy.drills_failed)
    values = [
        _text(name),
        _text(policy.storage_id),
        _text(duration(policy.rpo_seconds)),
        _mark(gap, is_bad=policy.rpo_kept is False),
        _minute(policy.worst_gap_from),
        *map(str, (policy.good, policy.partial, policy.failed, policy.missed, policy.unknown)),
        *map(str, (policy.unverified, policy.drills)),
        _mark(failed, is_bad=bool(policy.drills_failed)),
        _text(duration(policy.rto_seconds)),
        _mark(_text(duration(policy.slowest_restore_seconds)), is_bad=policy.rto_kept is False),
        _minute(policy.last_verified_at),
        str(policy.copies),
        _mark(str(policy.copies_overdue), is_bad=bool(policy.copies_overdue)),
        _text(duration(policy.copies_lag_seconds)),
    ]
    return "<tr>" + "".join(f"<td>{value}</td>" for value in values) + "</tr>"


def _claim_table(title: str, reason: str, claims: Sequence[ClaimCoverage]) -> str:
    """Return a table of claims, or nothing where there is none."""
    if not claims:
        return ""
    rows = "".join(_cells(_claim_cells(claim)) for claim in claims)
    heads = _cells(("Claim", "Status", "Size", "Newest good backup", reason), "th")
    return f"<h2>{title}</h2><table><thead>{heads}</thead><tbody>{rows}</tbody></table>"


def _claim_cells(claim: ClaimCoverage) -> tuple[str, ...]:
    name = f"{claim.namespace}/{claim.name}"
    return name, claim.status, size(claim.size_bytes), _minute(claim.last_good_at), claim.message


def _mark(cell: str, *, is_bad: bool) -> str:
    return f'<span class="bad">{cell}</span>' if is_bad else cell


def _deletion_cells(deletion: Deletion) -> tuple[str, ...]:
    request = f"{deletion.method} {deletion.route}"
    what = "/".join(deletion.object.values()) or "-"
    return _minute(deletion.at), deletion.user, deletion.program, request, what


def _cells(values: Sequence[str], tag: str = "td") -> str:
    return "<tr>" + "".join(f"<{tag}>{_text(value)}</{tag}>" for value in values) + "</tr>"


def _text(value: str) -> str:
    return escape(clean(value, 300))


def _minute(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment is not None else "-"


def as_json(report: EvidenceReport) -> bytes:
    """Return the report as the API answers it, indented."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def as_csv(report: EvidenceReport) -> bytes:
    """Return a line for each policy; no cell begins as a formula of a spreadsheet does."""
    out = io.StringIO()
    lines = csv.writer(out)
    fields = PolicyEvidence.__struct_fields__
    lines.writerow(fields)
    for policy in report.policies:
        values = msgspec.to_builtins(policy)
        lines.writerow([_csv_cell(values.get(field)) for field in fields])
    return out.getvalue().encode()


def _csv_cell(value: object) -> str:
    text = "" if value is None else clean(str(value), 300)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t")) else text


def as_junit(report: EvidenceReport) -> bytes:
    """Return a test suite for CI servers: cases for RPO, RTO, copies, restores and each uncovered claim."""
    cases = [case for policy in report.policies for case in _junit_cases(policy)]
    cases += [
        _junit_case(f"{claim.namespace}/{claim.name}", "coverage", claim.message)
        for claim in report.uncovered
    ]
    failures = sum("<failure" in case for case in cases)
    head = f'<testsuite name="kronkeep" tests="{len(cases)}" failures="{failures}"'
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n{head} timestamp="{report.made_at:%Y-%m-%dT%H:%M:%S}">\n'
        + "".join(cases)
        + "</testsuite>\n"
    ).encode()


def _junit_cases(policy: PolicyEvidence) -> list[str]:
    name = f"{policy.namespace}/{policy.cronjob}"
    cases = []
    if policy.rpo_kept is not None:
        fault = (
            f"no good backup for {duration(policy.worst_gap_seconds)} from {_minute(policy.worst_gap_from)}"
        )
        cases.append(_junit_case(name, "RPO", None if policy.rpo_kept else fault))
    if policy.rto_kept is not None:
        fault = f"a restore took {duration(policy.slowest_restore_seconds)}"
        cases.append(_junit_case(name, "RTO", None if policy.rto_kept else fault))
    if policy.copies:
        fault = f"{policy.copies_overdue} of {policy.copies} copies are overdue"
        cases.append(_junit_case(name, "copies", fault if policy.copies_overdue else None))
    if policy.drills:
        fault = f"{policy.drills_failed} of {policy.drills} restores failed"
        cases.append(_junit_case(name, "restores", fault if policy.drills_failed else None))
    return cases


def _junit_case(name: str, what: str, fault: str | None) -> str:
    inner = f"<failure message={quoteattr(clean(fault, 300))}/>" if fault else ""
    return f"<testcase classname={quoteattr(clean(name, 300))} name={quoteattr(what)}>{inner}</testcase>\n"


FORMATS: dict[str, Callable[[EvidenceReport], bytes]] = {
    "html": as_html,
    "json": as_json,
    "csv": as_csv,
    "junit": as_junit,
}

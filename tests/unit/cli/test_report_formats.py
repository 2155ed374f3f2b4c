"""The report's formats: a page that real Chromium shows and prints, CSV without formulas, JUnit's XML."""

import csv
import io
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest

from kronkeep_common.models.coverage import ClaimCoverage, CoverageFault
from kronkeep_common.models.report import Deletion, EvidenceReport, PolicyEvidence
from kronkeep_tui.cli import report_formats
from kronkeep_tui.cli.columns import COLUMNS

AT = datetime(2026, 6, 1, 2, 14, tzinfo=UTC)
GOOD = PolicyEvidence(
    policy_id="p1",
    cluster="c",
    namespace="shop",
    cronjob="dump",
    storage_id="nas",
    rpo_seconds=86400,
    rpo_kept=True,
    worst_gap_seconds=80000,
    worst_gap_from=AT,
    good=30,
    drills=2,
    slowest_restore_seconds=95,
)
HOSTILE = "<script>document.title='evil'</script><img src=x onerror=\"document.title='evil'\">"
BAD = msgspec.structs.replace(GOOD, policy_id="=1+1", cronjob=HOSTILE, rpo_kept=False, drills_failed=1)
DELETION = Deletion(at=AT, user="eve", program=HOSTILE, method="DELETE", route="/v1/x", object={"id": "b1"})
REPORT = EvidenceReport(
    from_at=AT,
    to_at=AT,
    made_at=AT,
    version="1",
    policies=(BAD, *(msgspec.structs.replace(GOOD, cronjob=f"dump-{n}") for n in range(120))),
    deletions=(
        Deletion(at=AT, user="eve", program=HOSTILE, method="DELETE", route="/v1/x", object={"id": "b1"}),
    ),
)
CHROMIUM = shutil.which("chromium")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


def run_chromium(folder: Path, *argv: str) -> str:
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={folder / 'profile'}", *argv]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)
    return done.stdout


@pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")
def test_chromium_shows_it_runs_nothing_of_it_and_prints_it(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_bytes(report_formats.as_html(REPORT))
    shown = run_chromium(tmp_path, "--dump-dom", page.as_uri())
    assert "<title>Backup evidence</title>" in shown
    assert "dump-119" in shown
    assert "<script>" not in shown
    assert "<img" not in shown
    run_chromium(
        tmp_path, f"--print-to-pdf={tmp_path / 'report.pdf'}", "--no-pdf-header-footer", page.as_uri()
    )
    pdf = (tmp_path / "report.pdf").read_bytes()
    assert pdf.startswith(b"%PDF-")
    assert pdf.count(b"/Type /Page\n") >= 3, "121 rows do not fit on fewer pages"


def test_the_page_needs_nothing_from_outside() -> None:
    page = report_formats.as_html(REPORT).decode()
    assert not any(word in page for word in ("http://", "https://", 'src="', "<link", "url(", "@import"))
    assert "121 policies; 1 of them missed" in page
    empty = report_formats.as_html(EvidenceReport(from_at=AT, to_at=AT, made_at=AT, version="1")).decode()
    assert "0 policies" in empty
    assert "Nothing was deleted." in empty


def test_csv_has_a_line_for_each_policy_and_no_formula() -> None:
    lines = list(csv.DictReader(io.StringIO(report_formats.as_csv(REPORT).decode())))
    assert len(lines) == 121
    assert (lines[0]["policy_id"], lines[0]["rpo_kept"]) == ("'=1+1", "False")
    assert (lines[1]["cronjob"], lines[1]["worst_gap_seconds"]) == ("dump-0", "80000")


def test_junit_has_a_failure_for_each_promise_that_was_not_kept() -> None:
    suite = ElementTree.fromstring(report_formats.as_junit(REPORT).decode())  # noqa: S314 - our own
    assert (suite.get("tests"), suite.get("failures")) == ("242", "2")
    failed = [case for case in suite if case.find("failure") is not None]
    assert [case.get("name") for case in failed] == ["RPO", "restores"]
    assert failed[0].get("classname") == f"shop/{HOSTILE}"


def test_json_is_read_back_as_it_was() -> None:
    assert msgspec.json.decode(report_formats.as_json(REPORT), type=EvidenceReport) == REPORT


def claim(name: str, **fields: Any) -> ClaimCoverage:
    values: dict[str, Any] = {
        "id": name,
        "cluster": "c",
        "namespace": "shop",
        "name": name,
        "created_at": AT,
        "size_bytes": 2**30,
        "status": "nobody",
        "message": "No CronJob mounts it.",
    }
    return ClaimCoverage(**values | fields)


def test_claims_that_nobody_archives_and_exemptions_are_listed() -> None:
    report = msgspec.structs.replace(
        REPORT,
        uncovered=(claim("lost", message=HOSTILE),),
        exempt=(claim("cache", status="exempt", exemption="It is a cache.", message="It is a cache."),),
        coverage_faults=(CoverageFault(cluster="c", message="The claims of far cannot be listed."),),
    )
    page = report_formats.as_html(report).decode()
    assert "1 claim may lose data, 1 are exempt" in page
    assert "<td>shop/lost</td><td>nobody</td><td>1.0 GiB</td><td>-</td><td>&lt;script&gt;" in page
    assert "<td>shop/cache</td><td>exempt</td><td>1.0 GiB</td><td>-</td><td>It is a cache.</td>" in page
    assert "<p>The claims of far cannot be listed.</p>" in page
    suite = ElementTree.fromstring(report_formats.as_junit(report))  # noqa: S314  made here
    failed = [case.get("classname") for case in suite if case.find("failure") is not None]
    assert "shop/lost" in failed
    assert "shop/cache" not in failed
    bare = report_formats.as_html(REPORT).decode()
    assert "Claims" not in bare


def test_figures_of_storages_have_no_columns_of_runs() -> None:
    titles = {kind: {column.title for column in COLUMNS[kind]} for kind in ("figures", "figures of storages")}
    assert titles["figures"] - titles["figures of storages"] == {"SUCCESS", "RUNS", "RAN"}
    assert {"BACKUPS", "FAILED", "READ"} <= titles["figures of storages"]

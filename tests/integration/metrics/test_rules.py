"""Rules and dashboard as they are printed: promtool's checks, a case of each rule, known metrics."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.command_line import run_line
from tests.integration.metrics.prometheus_server import needs_promtool, run_promtool

from kronkeep_common.monitoring.alerting_rules import RULES
from kronkeep_common.monitoring.metric_families import ALL_FAMILIES, series_names
from kronkeep_common.monitoring.reference import render_reference

ROOT = Path(__file__).parents[3]
CRONJOB = 'cluster="prod",namespace="shop",cronjob="dump"'
STORAGE = 'cluster="prod",storage="vault"'
FIRING = 'count(ALERTS{alertname="%s",alertstate="firing"}) or vector(0)'
BUILD = ('kronkeep_build_info{version="1"}', "1+0x2000")
# rule: series that make it fire and its minute, then series that do not (the time of a test begins at 0)
CASES: dict[str, tuple[list[tuple[str, str]], int, list[tuple[str, str]]]] = {
    "KronkeepDown": ([], 6, [BUILD]),
    "KronkeepMetricsOld": (
        [("kronkeep_exposition_timestamp_seconds", "0+0x60")],
        8,
        [("kronkeep_exposition_timestamp_seconds", "0+60x60")],
    ),
    "KronkeepHistoryReadOnly": (
        [("kronkeep_history_writable", "0+0x60")],
        2,
        [("kronkeep_history_writable", "1+0x60")],
    ),
    "KronkeepHistorySlow": (
        [
            (f'kronkeep_history_commit_duration_seconds_bucket{{le="{le}"}}', f"0+{n}x60")
            for le, n in (("0.5", 1), ("2.5", 10), ("+Inf", 10))
        ],
        30,
        [
            (f'kronkeep_history_commit_duration_seconds_bucket{{le="{le}"}}', f"0+{n}x60")
            for le, n in (("0.5", 10), ("2.5", 10), ("+Inf", 10))
        ],
    ),
    "KronkeepWatchNotLive": (
        [('kronkeep_watch_live{cluster="prod",watch="pods"}', "0+0x60")],
        11,
        [('kronkeep_watch_live{cluster="prod",watch="pods"}', "0x5 1x20")],
    ),
    "KronkeepNobodyActs": (
        [('kronkeep_leading{cluster="prod",instance="a"}', "0+0x60")],
        6,
        [
            ('kronkeep_leading{cluster="prod",instance="a"}', "0+0x60"),
            ('kronkeep_leading{cluster="prod",instance="b"}', "1+0x60"),
        ],
    ),
    "KronkeepLogsRemoved": (
        [('kronkeep_kept_logs_removed_total{namespace="shop",limit="namespace"}', "0+1x60")],
        10,
        [('kronkeep_kept_logs_removed_total{namespace="shop",limit="namespace"}', "7+0x60")],
    ),
    "CronJobFailed": (
        [(f"kronkeep_cronjob_last_run_ok{{{CRONJOB}}}", "0+0x60")],
        1,
        [(f"kronkeep_cronjob_last_run_ok{{{CRONJOB}}}", "1+0x60")],
    ),
    "CronJobLate": (
        [(f"kronkeep_cronjob_late_since_timestamp_seconds{{{CRONJOB}}}", "0+0x60")],
        11,
        [(f"kronkeep_cronjob_late_since_timestamp_seconds{{{CRONJOB}}}", "300+0x60")],
    ),
    "BackupOverdue": (
        [
            (f"kronkeep_policy_overdue{{{CRONJOB}}}", "0+0x60"),
            (f"kronkeep_policy_last_good_backup_timestamp_seconds{{{CRONJOB}}}", "0+0x60"),
            (f"kronkeep_policy_rpo_seconds{{{CRONJOB}}}", "600+0x60"),
        ],
        20,
        [
            (f"kronkeep_policy_overdue{{{CRONJOB}}}", "0+0x60"),
            (f"kronkeep_policy_last_good_backup_timestamp_seconds{{{CRONJOB}}}", "0+60x60"),
            (f"kronkeep_policy_rpo_seconds{{{CRONJOB}}}", "600+0x60"),
        ],
    ),
    "CopyOverdue": (
        [(f'kronkeep_copy_overdue{{{CRONJOB},storage="far"}}', "1+0x60")],
        10,
        [(f'kronkeep_copy_overdue{{{CRONJOB},storage="far"}}', "0+0x60")],
    ),
    "RestoreTooSlow": (
        [
            (f"kronkeep_policy_expected_restore_seconds{{{CRONJOB}}}", "700+0x120"),
            (f"kronkeep_policy_rto_seconds{{{CRONJOB}}}", "600+0x120"),
        ],
        70,
        [
            (f"kronkeep_policy_expected_restore_seconds{{{CRONJOB}}}", "500+0x120"),
            (f"kronkeep_policy_rto_seconds{{{CRONJOB}}}", "600+0x120"),
        ],
    ),
    "BackupFailed": (
        [(f"kronkeep_policy_last_backup_ok{{{CRONJOB}}}", "0+0x60")],
        1,
        [(f"kronkeep_policy_last_backup_ok{{{CRONJOB}}}", "1+0x60")],
    ),
    "BackupNotVerified": (
        [(f"kronkeep_policy_last_verified_timestamp_seconds{{{CRONJOB}}}", "-4000000+0x100")],
        62,
        [(f"kronkeep_policy_last_verified_timestamp_seconds{{{CRONJOB}}}", "0+0x100")],
    ),
    "StorageUnreachable": (
        [(f"kronkeep_storage_reachable{{{STORAGE}}}", "0+0x60")],
        16,
        [(f"kronkeep_storage_reachable{{{STORAGE}}}", "1+0x60")],
    ),
    "StorageDamaged": (
        [(f"kronkeep_storage_check_ok{{{STORAGE}}}", "0+0x60")],
        1,
        [(f"kronkeep_storage_check_ok{{{STORAGE}}}", "1+0x60")],
    ),
    "SnapshotsMissing": (
        [(f"kronkeep_storage_missing_snapshots{{{STORAGE}}}", "2+0x60")],
        1,
        [(f"kronkeep_storage_missing_snapshots{{{STORAGE}}}", "0+0x60")],
    ),
    "StorageFilling": (
        [
            (f"kronkeep_storage_used_bytes{{{STORAGE}}}", "90+0x60"),
            (f"kronkeep_storage_capacity_bytes{{{STORAGE}}}", "100+0x60"),
        ],
        16,
        [
            (f"kronkeep_storage_used_bytes{{{STORAGE}}}", "80+0x60"),
            (f"kronkeep_storage_capacity_bytes{{{STORAGE}}}", "100+0x60"),
        ],
    ),
    "StorageFullSoon": (
        [(f"kronkeep_storage_until_full_seconds{{{STORAGE}}}", "3600+0x100")],
        61,
        [(f"kronkeep_storage_until_full_seconds{{{STORAGE}}}", "6048000+0x100")],
    ),
    "RepositoryQueueWaits": (
        [('kronkeep_queue_oldest_wait_seconds{work="archive"}', "30000+0x60")],
        6,
        [('kronkeep_queue_oldest_wait_seconds{work="archive"}', "0+60x60")],
    ),
    "AlertChannelStuck": (
        [('kronkeep_channel_stuck{channel="ops"}', "1+0x60")],
        6,
        [('kronkeep_channel_stuck{channel="ops"}', "0+0x60")],
    ),
}


def run_kronkeep(*words: str) -> str:
    done = run_line(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def name_of(rule: Any) -> str:
    return str(rule.name)


@pytest.fixture(scope="module")
def rule_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rules") / "kronkeep.rules.yml"
    path.write_text(run_kronkeep("monitoring", "rules", "--runbooks", "https://docs.example/metrics.md"))
    return path


def test_each_rule_has_a_case_and_a_runbook(rule_file: Path) -> None:
    assert set(CASES) == {rule.name for rule in RULES}
    page = (ROOT / "docs" / "metrics.md").read_text()
    for rule in yaml.safe_load(rule_file.read_text())["groups"][0]["rules"]:
        address, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert address == "https://docs.example/metrics.md"
        assert f"\n### {rule['alert']}\n" in page
        assert anchor == rule["alert"].lower()


@needs_promtool
def test_promtool_accepts_the_rules(rule_file: Path) -> None:
    assert f"{len(RULES)} rules found" in run_promtool("check", "rules", str(rule_file))


@needs_promtool
def test_each_rule_fires_when_it_should_and_only_then(rule_file: Path, tmp_path: Path) -> None:
    """One run of promtool for all rules: of each a case that fires, and one that does not."""
    tests = []
    for rule in RULES:
        firing, minute, quiet = CASES[rule.name]
        for series, fires in ((firing, True), (quiet, False)):
            tests.append(
                {
                    "interval": "1m",
                    "name": f"{rule.name} {'fires' if fires else 'is quiet'}",
                    "input_series": [{"series": name, "values": values} for name, values in series],
                    "promql_expr_test": [
                        {
                            "expr": FIRING % rule.name,
                            "eval_time": f"{minute}m",
                            "exp_samples": [{"labels": "{}", "value": int(fires)}],
                        }
                    ],
                }
            )
    file = tmp_path / "tests.yml"
    file.write_text(json.dumps({"rule_files": [str(rule_file)], "tests": tests}))
    assert "SUCCESS" in run_promtool("test", "rules", str(file))


def test_rules_and_dashboard_name_only_metrics_that_exist() -> None:
    known = {name for family in ALL_FAMILIES for name in series_names(family)}
    model = json.loads(run_kronkeep("monitoring", "dashboard"))
    queries = [target["expr"] for panel in model["panels"] for target in panel["targets"]]
    queries += [variable["query"] for variable in model["templating"]["list"]]
    queries += [rule.expression for rule in RULES]
    named = {name for query in queries for name in re.findall(r"kronkeep_[a-z_]+", query)}
    assert named <= known
    assert len(named) > 25


def test_the_panels_of_the_dashboard_lie_side_by_side() -> None:
    model = json.loads(run_kronkeep("monitoring", "dashboard"))
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in model["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in model["panels"]}) == len(model["panels"])


def test_the_page_of_metrics_is_up_to_date() -> None:
    assert (ROOT / "docs" / "metrics.md").read_text() == render_reference(), "run: make reference"

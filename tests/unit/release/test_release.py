"""What releases are made of agrees with its sources: manifests, changelog, licences, bill of materials."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from kronkeep_common.monitoring.alerting_rules import rule_groups
from kronkeep_common.version import VERSION
from kronkeep_daemon import settings
from kronkeep_daemon.embedded.apiserver.pod_security import find_violations
from release import changelog, manifests
from release.bill_of_materials import bill
from release.dependencies import locked_entries, runtime_distributions, runtime_lock
from release.licences import PERMITTED, licence_of

ROOT = Path(__file__).parents[3]
KUBECTL = Path(sys.executable).with_name("kubectl")
OVERLAYS = ["all-namespaces", "chosen-namespaces", "monitoring", "standby"]
TEXT = "# Changes\n\n## Unreleased\n\n- new\n\n## 0.0.1 (2026-01-01)\n\n- old\n"


def kustomize(overlay: str) -> list[dict[str, Any]]:
    command = [str(KUBECTL), "kustomize", str(ROOT / "deploy/kustomize/overlays" / overlay)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return list(yaml.safe_load_all(done.stdout))


def test_the_manifests_are_what_their_description_makes() -> None:
    assert manifests.all_files() == {path: path.read_text() for path in manifests.all_files()}, (
        "make manifests"
    )
    written = {path for part in ("helm", "kustomize") for path in (ROOT / "deploy" / part).rglob("*.*")}
    assert written == set(manifests.all_files())


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_passes_the_restricted_level_and_has_settings_that_load(overlay: str) -> None:
    resources = kustomize(overlay)
    pods = [r["spec"]["template"]["spec"] for r in resources if r["kind"] == "Deployment"]
    assert len(pods) == (2 if overlay == "standby" else 1)
    assert [violation for pod in pods for violation in find_violations(pod)] == []
    (text,) = [r["data"]["kronkeepd.toml"] for r in resources if r["kind"] == "ConfigMap"]
    parsed = settings.parse(text, overlay)
    cluster = parsed.clusters["default"]
    assert cluster.in_cluster
    assert (parsed.metrics.listen is not None) == (overlay == "monitoring")
    assert cluster.namespaces == (("shop",) if overlay == "chosen-namespaces" else ())


def test_prometheus_scrapes_where_the_daemon_listens_with_the_rules_of_the_command_line() -> None:
    resources = {(r["kind"], r["metadata"]["name"]): r for r in kustomize("monitoring")}
    text = resources["ConfigMap", "kronkeepd"]["data"]["kronkeepd.toml"]
    _, listened = settings.parse_address(settings.parse(text, "monitoring").metrics.listen or "")
    service = resources["Service", "kronkeepd"]
    (port,) = service["spec"]["ports"]
    (endpoint,) = resources["ServiceMonitor", "kronkeepd"]["spec"]["endpoints"]
    (admitted,) = resources["NetworkPolicy", "kronkeepd-metrics"]["spec"]["ingress"][0]["ports"]
    assert (port["targetPort"], admitted["port"], endpoint["port"]) == (listened, listened, port["name"])
    labels = resources["Deployment", "kronkeepd"]["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    selected = resources["ServiceMonitor", "kronkeepd"]["spec"]["selector"]["matchLabels"]
    assert selected.items() <= service["metadata"]["labels"].items()
    assert endpoint["honorLabels"], "`namespace` is the CronJob's"
    assert resources["PrometheusRule", "kronkeepd"]["spec"] == rule_groups()


@pytest.mark.parametrize(
    ("overlay", "file"), [(OVERLAYS[0], "rights.yaml"), (OVERLAYS[1], "rights-namespaced.yaml")]
)
def test_the_rights_are_those_that_the_daemon_is_tested_with(overlay: str, file: str) -> None:
    source = yaml.safe_load_all((ROOT / "systemd/kubernetes" / file).read_text())
    expected = {(r["kind"], r["metadata"]["name"]): r["rules"] for r in source if "rules" in r}
    assert {
        (r["kind"], r["metadata"]["name"]): r["rules"] for r in kustomize(overlay) if "rules" in r
    } == expected


def test_the_changes_get_the_heading_of_their_release() -> None:
    cut = changelog.cut(TEXT, "0.0.2", "2026-02-02")
    assert changelog.section(cut, "0.0.2") == "- new\n"
    assert changelog.section(cut, "0.0.1") == "- old\n"
    assert changelog.section(cut, changelog.UNRELEASED).strip() == ""
    with pytest.raises(ValueError, match="already"):
        changelog.cut(cut, "0.0.2", "2026-02-02")
    with pytest.raises(ValueError, match="no unreleased changes"):
        changelog.cut(cut, "0.0.3", "2026-02-02")


def test_the_version_comes_from_one_place() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" not in project["project"]
    assert project["tool"]["hatch"]["version"]["path"] == "common/kronkeep_common/version.py"
    assert f"({VERSION}-1)" in changelog.debian_changelog(VERSION, 0)


def test_every_licence_is_known_and_permitted() -> None:
    licences = {package.name: licence_of(package) for package in runtime_distributions()}
    parts = {name: set(text.replace(" OR ", " AND ").split(" AND ")) for name, text in licences.items()}
    assert {name: words for name, words in parts.items() if not words <= PERMITTED} == {}


def test_the_bill_of_materials_has_every_package_with_its_hashes() -> None:
    made = bill()
    packages = runtime_distributions()
    assert [row["name"] for row in made["components"]] == [p.name.lower().replace("_", "-") for p in packages]
    locked = locked_entries(ROOT / "requirements.lock")
    for row in made["components"]:
        (files,) = row["externalReferences"]
        assert locked[row["name"]].startswith(f"{row['name']}=={row['version']} ")
        hashes = {digest["content"] for digest in files["hashes"]}
        assert hashes == set(re.findall("sha256:([0-9a-f]{64})", locked[row["name"]]))
        assert hashes
    assert made == bill()
    references = {row["bom-ref"] for row in made["components"]} | {made["metadata"]["component"]["bom-ref"]}
    assert {row["ref"] for row in made["dependencies"]} == references
    assert all(set(row["dependsOn"]) <= references for row in made["dependencies"])


def test_what_only_builds_need_is_not_shipped() -> None:
    lock = runtime_lock()
    assert "hatchling" not in lock
    assert "aiohttp==" in lock
    assert all("--hash=sha256:" in block for block in lock.split("\n\n") if block.strip())

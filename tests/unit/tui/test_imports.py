"""What K8up's Schedules and borgmatic's configurations become, and what is said of the rest."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kronkeep_common import manifests
from kronkeep_common.errors import InvalidRequest
from kronkeep_common.models import ClaimSource, Retention, Source
from kronkeep_common.models.coverage import ClaimCoverage, ClaimPolicy
from kronkeep_tui.cli import import_peers
from kronkeep_tui.cli.main import build_parser
from kronkeep_tui.peers import borgmatic, k8up, located_yaml
from kronkeep_tui.peers.borgmatic import MountedClaim, PolicyFields

SCHEDULE = """
apiVersion: k8up.io/v1
kind: Schedule
metadata: {name: nightly, namespace: shop}
spec:
  failedJobsHistoryLimit: 2
  backend:
    repoPasswordSecretRef: {name: repo, key: password}
    s3:
      endpoint: minio.example:9000
      bucket: backups
      accessKeyIDSecretRef: {name: keys, key: id}
      secretAccessKeySecretRef: {name: keys, key: secret}
  backup: {schedule: '@daily-random', tags: [shop]}
  check: {schedule: '0 1 * * 1'}
  prune: {schedule: '0 4 * * 0', retention: {keepLast: 5, keepDaily: 14, keepTags: [legal]}}
"""


def claim(name: str, namespace: str = "shop", **fields: Any) -> ClaimCoverage:
    base: dict[str, Any] = {
        "id": f"uid-{name}",
        "cluster": "c",
        "namespace": namespace,
        "name": name,
        "status": "nobody",
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
        "message": "",
    }
    return ClaimCoverage(**base | fields)


def objects(text: str) -> list[Any]:
    return [each.value for each in manifests.load_values(text, "k8up.yaml")]


def test_a_schedule_is_a_storage_on_its_repository_and_a_policy_for_each_claim() -> None:
    own = (ClaimPolicy(policy_id="p", cronjob="pvc/mine", storage_id="s"),)
    claims = [claim("data"), claim("cache"), claim("mine", policies=own), claim("far", "pay")]
    left_out = {
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "cache", "namespace": "shop", "annotations": {"k8up.io/backup": "false"}},
    }
    plan = k8up.plan_import([*objects(SCHEDULE), left_out], claims, "kronkeep")
    (storage,) = plan.storages
    assert (storage.kind, storage.layout, storage.namespaces) == ("s3", "shared", ("shop",))
    assert storage.settings == {"endpoint": "https://minio.example:9000", "bucket": "backups"}
    assert storage.password is not None
    assert (storage.password.secret, storage.credentials) == (
        "k8up-shop-nightly-password",
        "k8up-shop-nightly",
    )
    (manifest,) = plan.policies
    assert (manifest.namespace, manifest.claim) == ("shop", "data")
    assert manifest.policy.storage_id == storage.id
    assert manifest.policy.retention == Retention(keep_last=5, keep_daily=14)
    minute, hour, *rest = (manifest.policy.schedule or "").split()
    assert rest == ["*", "*", "*"]
    assert (int(minute) < 60, int(hour) < 24) == (True, True)
    assert plan == k8up.plan_import([*objects(SCHEDULE), left_out], claims, "kronkeep")
    assert "create secret generic k8up-shop-nightly --from-literal=AWS_ACCESS_KEY_ID=" in plan.commands[1]
    assert "-n shop get secret repo" in plan.commands[0]
    notes = "\n".join(plan.notes)
    for place in ("spec.failedJobsHistoryLimit", "spec.check", "spec.backup.tags", "retention.keepTags"):
        assert f"Schedule shop/nightly {place}" in notes.replace("spec.prune.retention", "retention")
    assert "claim shop/cache: K8up leaves it out" in notes
    assert "claim shop/mine: it has a policy of its own already" in notes


def test_schedules_on_one_repository_share_a_storage() -> None:
    other = SCHEDULE.replace("namespace: shop", "namespace: pay").replace("@daily-random", "5 2 * * *")
    plan = k8up.plan_import(
        objects(SCHEDULE + "---" + other), [claim("data"), claim("data", "pay")], "kronkeep"
    )
    assert [storage.namespaces for storage in plan.storages] == [("shop", "pay")]
    assert [each.policy.schedule for each in plan.policies][1] == "5 2 * * *"
    assert len({each.policy.storage_id for each in plan.policies}) == 1


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("    s3:", "    swift:", "no counterpart (local, swift)"),
        ("'@daily-random'", "'@every 4h'", "write a cron line"),
        ("'@daily-random'", "'61 * * * *'", "It is left out"),
        ("  backup: {schedule", "  restore: {schedule", "no section backup"),
        ("name: nightly,", "name: '../x',", "none of Kubernetes"),
        ("keys, key: id", "$(reboot), key: id", "names no Secret for AWS_ACCESS_KEY_ID"),
    ],
)
def test_what_cannot_be_taken_over_is_said_and_runs_no_command(old: str, new: str, words: str) -> None:
    plan = k8up.plan_import(objects(SCHEDULE.replace(old, new)), [claim("data")], "kronkeep")
    assert words in "\n".join(plan.notes)
    assert "reboot" not in "\n".join(plan.commands)
    assert bool(plan.policies) == ("names no Secret" in words)


BORGMATIC = """
source_directories:
    - /srv/data/photos
    - /srv/data/mail
    - /etc
repositories:
    - path: ssh://user@host/./repo
exclude_patterns:
    - '*.pyc'
    - /srv/data/photos/cache
    - /home/*/.cache
    - re:.*x
exclude_caches: true
compression: zstd
upload_rate_limit: 100
keep_daily: 7
keep_monthly: 6
before_backup:
    - prepare.sh
postgresql_databases:
    - name: users
unheard_of: 1
"""
MOUNTS = [MountedClaim("home", "data", "/srv/data"), MountedClaim("home", "root", "/srv")]


def test_a_configuration_is_a_policy_for_each_claim_and_the_rest_is_said_with_its_line() -> None:
    entries = located_yaml.read_mapping(BORGMATIC, "b.yaml")
    plan = borgmatic.plan_import(entries, "b.yaml", MOUNTS, PolicyFields("vault", "0 2 * * *"))
    (manifest,) = plan.policies
    assert (manifest.namespace, manifest.claim) == ("home", "data")
    policy = manifest.policy
    assert policy.source == Source(
        claims=(ClaimSource(claim="data", paths=("photos", "mail")),),
        exclude=("*.pyc", "/photos/cache"),
        exclude_caches=True,
    )
    assert (policy.storage_id, policy.schedule, policy.limits.upload_kib) == ("vault", "0 2 * * *", 100)
    assert policy.retention == Retention(days=None, keep_daily=7, keep_monthly=6)
    notes = "\n".join(plan.notes)
    for place in ("b.yaml:6: repositories", "b.yaml:18: before_backup", "b.yaml:20: postgresql_databases"):
        assert place in notes
    assert "b.yaml:22: unheard_of: it has no counterpart" in notes
    assert "b.yaml:2: /etc: no --claim holds it" in notes
    assert "re:.*x: restic has no such pattern" in notes


def test_old_sections_are_read_and_the_root_of_a_claim_is_all_of_it() -> None:
    text = "location:\n  source_directories: [/srv/data]\nretention:\n  keep_within: 2w\n"
    entries = located_yaml.read_mapping(text, "old.yaml")
    plan = borgmatic.plan_import(entries, "old.yaml", MOUNTS, PolicyFields("vault", "@daily"))
    (manifest,) = plan.policies
    assert manifest.policy.source == Source()
    assert manifest.policy.retention == Retention(days=14)


@pytest.mark.parametrize("text", ["- a\n", "a: 1\n---\nb: 2\n", "a: &x 1\nb: *x\n"])
def test_what_is_no_configuration_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        located_yaml.read_mapping(text, "b.yaml")


def test_the_cluster_is_asked_with_kubectl(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = json.dumps({"items": objects(SCHEDULE)})
    script = tmp_path / "kubectl"
    script.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/argv\ncat <<"END"\n{answer}\nEND\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    class CoveredClient:
        """A client that knows one claim."""

        async def coverage(self) -> Any:
            return type("Answer", (), {"items": [claim("data")]})

    options = build_parser().parse_args(["import", "k8up", "--from-cluster", "--context", "prod"])
    client: Any = CoveredClient()
    assert asyncio.run(import_peers.import_k8up(client, options)) == 0
    printed = capsys.readouterr()
    assert "would create policy shop/pvc/data" in printed.out
    assert "--yes does it" in printed.err
    assert (tmp_path / "argv").read_text().startswith("--context prod get schedules.k8up.io,")

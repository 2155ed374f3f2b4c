"""kubectl against the embedded cluster: Debian's (1.20), the newest (from the lock), and any on the PATH."""

import asyncio
import shutil
import sys
from pathlib import Path

import pytest
from tests.integration.embedded.cluster.kubectl import Kubectl
from tests.waiting import LONGEST_WAIT

from kronkeep_daemon.embedded import EmbeddedCluster

SCHEDULE = "0 0 29 2 *"
MANIFEST = """
apiVersion: batch/v1
kind: CronJob
metadata: {{name: applied}}
spec:
  schedule: "{schedule}"
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers: [{{name: main, image: busybox, command: [sh, -c, "echo one; sleep 0.5; echo two"]}}]
"""


def find_programs() -> list[str]:
    """Return the path of each kubectl on this machine."""
    candidates = (Path(sys.executable).parent / "kubectl", Path("/usr/bin/kubectl"), shutil.which("kubectl"))
    return sorted({str(Path(path).resolve()) for path in candidates if path and Path(path).exists()})


@pytest.fixture(params=find_programs(), ids=lambda path: path.replace("/", "-").strip("-"))
def kubectl(embedded_cluster: EmbeddedCluster, tmp_path: Path, request: pytest.FixtureRequest) -> Kubectl:
    return Kubectl(request.param, embedded_cluster.kubeconfig, tmp_path)


async def test_jobs_are_created_by_flags_waited_for_described_and_deleted(kubectl: Kubectl) -> None:
    script = ("--", "sh", "-c", "printf '%s|\\n' \"$@\"", "sh", "a b", "")
    await kubectl("create", "job", "plain", "--image=busybox", *script)
    await kubectl("create", "cronjob", "timed", "--image=busybox", f"--schedule={SCHEDULE}", *script)
    await kubectl("create", "job", "manual", "--from=cronjob/timed")
    await kubectl("wait", "--for=condition=complete", "job/plain", "job/manual", "--timeout=240s")
    assert await kubectl("logs", "job/plain") == "a b|\n|\n"
    assert await kubectl("logs", "-f", "job/manual") == "a b|\n|\n"
    described = await kubectl("describe", "job", "manual")
    assert "SuccessfulCreate" in described
    assert "Job completed" in described
    assert "Suspend:" in await kubectl("describe", "cronjob", "timed")
    assert "Scheduled" in await kubectl("describe", "pod", "-l", "job-name=plain")
    annotation = "{.metadata.annotations.cronjob\\.kubernetes\\.io/instantiate}"
    assert await kubectl("get", "job", "manual", "-o", f"jsonpath={annotation}") == "manual"
    shown = await kubectl("get", "cronjobs,jobs,pods")
    assert all(word in shown for word in ("SCHEDULE", "COMPLETIONS", "READY", SCHEDULE, "1/1"))
    await kubectl("delete", "cronjob/timed", "job/plain")
    assert "not found" in await kubectl("get", "cronjob", "timed", code=1)


async def test_a_manifest_is_applied_created_and_patched(kubectl: Kubectl) -> None:
    manifest = kubectl.write_manifest(MANIFEST.format(schedule=SCHEDULE))
    assert "(server dry run)" in await kubectl("apply", "--dry-run=server", "-f", manifest)
    assert "created" in await kubectl("apply", "-f", manifest)
    version = "{.metadata.resourceVersion}"
    before = await kubectl("get", "cronjob", "applied", "-o", f"jsonpath={version}")
    await kubectl("apply", "-f", manifest)
    assert await kubectl("get", "cronjob", "applied", "-o", f"jsonpath={version}") == before
    changed = kubectl.write_manifest(MANIFEST.format(schedule="1 0 29 2 *"))
    await kubectl("diff", "-f", changed, code=1)
    assert "configured" in await kubectl("apply", "-f", changed)
    assert "AlreadyExists" in await kubectl("create", "-f", changed, code=1)
    for kind, patch in (
        ("strategic", '{"spec":{"suspend":true}}'),
        ("merge", '{"metadata":{"labels":{"a":"b"}}}'),
        ("json", '[{"op":"replace","path":"/spec/schedule","value":"2 0 29 2 *"}]'),
    ):
        argv = ("patch", "cronjobs.v1.batch", "applied", "--type", kind, "-p", patch)
        assert "patched" in await kubectl(*argv)
    path = "{.spec.suspend} {.metadata.labels.a} {.spec.schedule}"
    assert await kubectl("get", "cronjob", "applied", "-o", f"jsonpath={path}") == "true b 2 0 29 2 *"
    invalid = kubectl.write_manifest(MANIFEST.format(schedule="never"))
    assert "Invalid value" in await kubectl("apply", "-f", invalid, code=1)


async def test_a_log_and_a_watch_are_followed_live(kubectl: Kubectl) -> None:
    watch = await kubectl.start("get", "jobs", "-w", "-o", "name")
    assert watch.stdout is not None
    await kubectl("create", "-f", kubectl.write_manifest(MANIFEST.format(schedule=SCHEDULE)))
    await kubectl("create", "job", "live", "--from=cronjob/applied")
    assert await asyncio.wait_for(watch.stdout.readline(), LONGEST_WAIT) == b"job.batch/live\n"
    await kubectl("wait", "--for=condition=PodScheduled", "pod", "-l", "job-name=live", "--timeout=240s")
    assert (await kubectl("logs", "-f", "job/live")).endswith("one\ntwo\n")
    await kubectl("delete", "job", "live")
    watch.terminate()
    await watch.communicate()


async def test_a_pod_without_a_job_runs(kubectl: Kubectl) -> None:
    await kubectl(
        "run", "alone", "--image=busybox", "--restart=Never", "--", "sh", "-c", "echo up; sleep 300"
    )
    await kubectl("wait", "--for=condition=Ready", "pod/alone", "--timeout=240s")
    assert await kubectl("logs", "alone") == "up\n"
    await kubectl("delete", "pod", "alone", "--grace-period=1")


async def test_a_user_without_rights_is_refused_with_the_reason(kubectl: Kubectl) -> None:
    refused = await kubectl("--as", "kronkeep", "get", "cronjobs", code=1)
    message = (
        'User "kronkeep" cannot list resource "cronjobs" in API group "batch" in the namespace "default"'
    )
    assert message in refused
    assert await kubectl("auth", "can-i", "create", "jobs") == "yes\n"

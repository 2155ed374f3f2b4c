"""The manifests in deploy/ as `kubectl apply --dry-run=server` sends them to the embedded API server."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.integration.embedded.cluster.kubectl import Kubectl

from kronkeep_daemon.embedded import EmbeddedCluster

ROOT = Path(__file__).parents[4]
NEWEST = str(Path(sys.executable).parent / "kubectl")
OVERLAYS = ["all-namespaces", "chosen-namespaces", "monitoring", "standby"]


@pytest.fixture
async def kubectl(embedded_cluster: EmbeddedCluster, tmp_path: Path) -> Kubectl:
    kubectl = Kubectl(NEWEST, embedded_cluster.kubeconfig, tmp_path)
    for namespace in ("kronkeep", "shop"):
        kubectl.write_manifest(f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}}}\n")
        await kubectl("apply", "-f", str(tmp_path / "manifest.yaml"))
    return kubectl


def kustomize(overlay: str) -> list[dict[str, object]]:
    """Return the resources of an overlay that are Kubernetes' own."""
    command = [NEWEST, "kustomize", str(ROOT / "deploy/kustomize/overlays" / overlay)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [r for r in yaml.safe_load_all(done.stdout) if "coreos" not in str(r["apiVersion"])]


@pytest.mark.parametrize("overlay", OVERLAYS)
async def test_an_overlay_is_accepted(kubectl: Kubectl, overlay: str) -> None:
    resources = kustomize(overlay)
    manifest = kubectl.write_manifest(yaml.safe_dump_all(resources))
    printed = await kubectl("apply", "--dry-run=server", "-f", manifest)
    assert printed.count("(server dry run)") == len(resources)
    assert "Deployment" not in await kubectl("get", "deployments", "-A")


async def test_what_nothing_would_act_on_is_refused(kubectl: Kubectl) -> None:
    (deployment,) = [r for r in kustomize("all-namespaces") if r["kind"] == "Deployment"]
    manifest = kubectl.write_manifest(yaml.safe_dump(deployment))
    assert "only dry runs are answered" in await kubectl("apply", "-f", manifest, code=1)


async def test_a_selector_of_other_pods_is_refused(kubectl: Kubectl) -> None:
    (deployment,) = [r for r in kustomize("all-namespaces") if r["kind"] == "Deployment"]
    text = yaml.safe_dump(deployment).replace("matchLabels:\n", "matchLabels:\n      other: 'yes'\n")
    refusal = await kubectl("apply", "--dry-run=server", "-f", kubectl.write_manifest(text), code=1)
    assert "`selector` does not match template `labels`" in refusal

"""The volumes of a pod, with an API server that holds one ConfigMap."""

import stat
from pathlib import Path
from typing import Any

from kronkeep_daemon.embedded.agent.volumes import PodVolumes


async def test_the_projected_volume_of_the_service_account_holds_token_ca_and_namespace(
    tmp_path: Path,
) -> None:
    """kube-apiserver's ServiceAccount admission mounts this volume into every pod."""
    sources = [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
    ]
    volume = {"name": "kube-api-access", "projected": {"defaultMode": 420, "sources": sources}}
    pod = {
        "metadata": {"namespace": "shop", "name": "dump-1", "uid": "u1"},
        "spec": {"volumes": [volume]},
    }

    async def fetch_object(plural: str, name: str) -> dict[str, Any] | None:
        return {"data": {"ca.crt": "PEM"}} if (plural, name) == ("configmaps", "kube-root-ca.crt") else None

    async def request_token(seconds: int, audience: str | None) -> str:
        return f"token for {seconds} s"

    volumes = PodVolumes(folder=tmp_path, pod=pod, fetch_object=fetch_object, request_token=request_token)
    await volumes.create()
    mount = {"name": "kube-api-access", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}
    (bind_mount,) = volumes.mounts_of({"volumeMounts": [mount]})
    files = {path.name: path.read_text() for path in bind_mount.source.iterdir()}
    assert files == {"token": "token for 3607 s", "ca.crt": "PEM", "namespace": "shop"}
    assert bind_mount.read_only
    assert stat.S_IMODE((bind_mount.source / "token").stat().st_mode) == 0o644

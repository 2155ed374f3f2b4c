"""What a cluster is reached with changes under a running daemon: its CA, the pod's token, the rights."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.integration.watch.watcher import Watcher
from tests.integration.watch.world import Quick, World, job

from kronkeep_daemon.embedded.apiserver import ApiServer
from kronkeep_daemon.kube import paths, watch
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.kubernetes_package import import_kubernetes

RBAC = "/apis/rbac.authorization.k8s.io/v1"
ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
ROLE = "watcher"


async def authority(folder: Path, name: str, *options: str) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that is its own authority, and its key."""
    certificate = folder / f"{name}.crt"
    key = folder / f"{name}.key"
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    argv += ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"]
    argv += ["-days", "2", "-keyout", str(key), "-out", str(certificate), *options]
    done = await asyncio.create_subprocess_exec(*argv, stderr=asyncio.subprocess.DEVNULL)
    assert await done.wait() == 0
    return certificate, key


class Secured:
    """A world behind TLS; `trusted` is the file of the CA that clients have."""

    def __init__(self, folder: Path) -> None:
        self.world = World()
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.trusted = folder / "ca.crt"
        self.kubeconfig = folder / "kubeconfig"
        self.server = ""

    def present(self, certificate: Path, key: Path) -> None:
        """The server has another certificate from now on, for every connection."""
        self.tls.load_cert_chain(certificate, key)
        self.world.hang_up_idle()


@pytest.fixture
async def secure_server(tmp_path: Path) -> AsyncIterator[Secured]:
    secure_server = Secured(tmp_path)
    certificate, key = await authority(tmp_path, "old")
    secure_server.tls.load_cert_chain(certificate, key)
    secure_server.trusted.write_bytes(certificate.read_bytes())
    async with secure_server.world.serve(tmp_path, secure_server.tls) as file:
        secure_server.server = yaml.safe_load(file.read_text())["clusters"][0]["cluster"]["server"]
        fields = {"certificate-authority": str(secure_server.trusted)}
        secure_server.world.write(file, secure_server.server, {"token": "x"}, **fields)
        yield secure_server


async def test_another_ca_is_trusted_once_its_file_has_changed(
    secure_server: Secured, tmp_path: Path
) -> None:
    cluster = await Cluster.connect(kubeconfig=secure_server.kubeconfig)
    watcher = Watcher(cluster, Quick())
    await watcher.until(lambda: watcher.watch.state.status == "live")
    certificate, key = await authority(tmp_path, "new")
    secure_server.present(certificate, key)
    await watcher.until(lambda: "is not trusted" in (watcher.watch.state.why or ""))
    assert watcher.watch.state.status != "live"
    secure_server.world.put("jobs", job("dump-1", "u1"))
    secure_server.trusted.write_bytes(certificate.read_bytes())
    await watcher.until(lambda: watcher.watch.state.status == "live")
    await watcher.until(lambda: watcher.there == {"u1": "dump-1"})
    await watcher.stop()
    await cluster.close()


async def test_a_ca_that_kubectl_trusts_is_trusted_by_every_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From 3.13 on Python's own contexts refuse certificates without key identifiers, which many CAs make."""
    plain = ssl.create_default_context

    def create_strict(*args: Any, **options: Any) -> ssl.SSLContext:
        context = plain(*args, **options)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", create_strict)
    bare = tmp_path / "bare.cnf"
    bare.write_text(
        "[req]\ndistinguished_name=dn\nx509_extensions=bare\n[dn]\n[bare]\nbasicConstraints=CA:TRUE\n"
    )
    ca, ca_key = await authority(tmp_path, "ca", "-config", str(bare))
    signer = ("-CA", str(ca), "-CAkey", str(ca_key), "-config", str(bare))
    server = Secured(tmp_path)
    server.tls.load_cert_chain(*await authority(tmp_path, "server", *signer))
    async with server.world.serve(tmp_path, server.tls) as file:
        address = yaml.safe_load(file.read_text())["clusters"][0]["cluster"]["server"]
        server.world.write(file, address, {"token": "x"}, **{"certificate-authority": str(ca)})
        cluster = await Cluster.connect(kubeconfig=file)
        assert cluster.id == "world"
        await cluster.close()


async def test_a_pods_token_is_read_again_when_it_has_been_rotated(
    secure_server: Secured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = tmp_path / "token"
    incluster_config = import_kubernetes().incluster_config
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(secure_server.trusted))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", secure_server.server.rpartition(":")[2])
    token.write_text("one")
    secure_server.world.token = "one"
    cluster = await Cluster.connect(in_cluster=True)
    assert (cluster.id, cluster.name) == ("world", "in-cluster")
    secure_server.world.token = "two"
    token.write_text("two")
    await asyncio.gather(*(cluster.get(paths.namespaces("kube-system")) for _ in range(10)))
    assert cluster.loads == 2, "reloaded once for all requests"
    await cluster.close()


async def account(admin: Cluster, source: Path, target: Path) -> None:
    """Write the kubeconfig of an account that may watch Jobs."""
    rules = [
        {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["list", "watch"]},
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]},
    ]
    await admin.create(f"{RBAC}/clusterroles", {"metadata": {"name": ROLE}, "rules": rules})
    await admin.create(ACCOUNTS, {"metadata": {"name": ROLE}})
    await grant(admin)
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token = (await admin.create(f"{ACCOUNTS}/{ROLE}/token", asked))["status"]["token"]
    config = yaml.safe_load(source.read_text())
    server = config["clusters"][0]["cluster"]
    server["server"] = f"{server['server'].rpartition('/')[0]}/{token}"
    config["users"][0]["user"]["token"] = token
    target.write_text(yaml.safe_dump(config))


async def grant(admin: Cluster) -> None:
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": ROLE}
    subjects = [{"kind": "ServiceAccount", "namespace": "default", "name": ROLE}]
    body = {"metadata": {"name": ROLE}, "roleRef": ref, "subjects": subjects}
    await admin.create(f"{RBAC}/clusterrolebindings", body)


async def test_a_right_that_is_withdrawn_is_reported_and_given_again_is_used(
    api_server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Rights are looked at when a watch begins.
    defaults = watch.ListWatch.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "watch_seconds", (1, 1))
    admin = await Cluster.connect(kubeconfig=tmp_path / "kubeconfig")
    await account(admin, tmp_path / "kubeconfig", tmp_path / "own")
    cluster = await Cluster.connect(kubeconfig=tmp_path / "own")
    watcher = Watcher(cluster, Quick())
    await watcher.until(lambda: watcher.watch.state.status == "live")
    await admin.delete(f"{RBAC}/clusterrolebindings/{ROLE}")
    await watcher.until(lambda: watcher.watch.state.status == "failing")
    why = watcher.watch.state.why or ""
    assert f'User "system:serviceaccount:default:{ROLE}" cannot' in why
    assert '"jobs" in API group "batch" at the cluster scope' in why
    pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "busybox"}]}
    body = {"metadata": {"name": "meanwhile"}, "spec": {"template": {"spec": pod}}}
    await admin.create(paths.jobs("default"), body)
    await grant(admin)
    await watcher.until(lambda: list(watcher.there.values()) == ["meanwhile"])
    assert (watcher.watch.state.status, watcher.watch.state.why) == ("live", None)
    await watcher.stop()
    await cluster.close()
    await admin.close()

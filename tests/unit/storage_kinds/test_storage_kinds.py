"""Each kind: what it refuses, where its repository is, what a pod gets; no secret in any of it."""

from datetime import UTC, datetime

import pytest

from kronkeep_common.errors import InvalidRequest
from kronkeep_common.models import BackupStorage, SecretKeyRef
from kronkeep_common.models.storage_kinds import KINDS as ROWS
from kronkeep_common.models.storage_kinds import all_kinds, are_same_settings
from kronkeep_common.states import StorageStatus
from kronkeep_daemon import storage_kinds
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.repositories.job_manifests import SECRET_PLACEHOLDER, build_repository_job, with_secret
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.settings import ArchiveSettings
from kronkeep_daemon.storage_kinds.access import RepositoryAccess

Settings = dict[str, str | int]
FINGERPRINT = ":".join(["AB"] * 32)
PROXMOX: Settings = {
    "url": "https://pve:8006",
    "node": "pve1",
    "storage": "tank",
    "fingerprint": FINGERPRINT,
    "storage_class": "proxmox-tank",
    "namespace": "shop",
    "size": "50Gi",
}
GOOD: dict[str, Settings] = {
    "local": {"path": "/srv/vault"},
    "nfs": {"server": "nas.example", "path": "/export/vault"},
    "pvc": {"claim": "vault", "namespace": "shop"},
    "ceph": {"endpoint": "https://rgw:8443", "bucket": "vault", "prefix": "a/b"},
    "proxmox": PROXMOX,
    "s3": {"bucket": "vault", "prefix": "a/b/", "region": "eu-1", "bucket_lookup": "path"},
    "sftp": {"host": "nas.example", "user": "keeper", "path": "/srv/vault", "port": 2222},
    "rest": {"url": "https://rest.example:8000/vault"},
    "azure": {"container": "vault", "prefix": "a"},
    "gs": {"bucket": "vault", "project": "shop-1"},
    "b2": {"bucket": "vault", "prefix": "a"},
    "rclone": {"remote": "box", "path": "a/b c"},
}
REPOSITORY = {
    "local": "/repository",
    "nfs": "/repository",
    "pvc": "/repository",
    "ceph": "s3:https://rgw:8443/vault/a/b",
    "proxmox": "/repository",
    "s3": "s3:https://s3.amazonaws.com/vault/a/b",
    "sftp": "sftp:keeper@nas.example:/srv/vault",
    "rest": "rest:https://$(RESTIC_REST_USERNAME):$(RESTIC_REST_PASSWORD)@rest.example:8000/vault/",
    "azure": "azure:vault:/a",
    "gs": "gs:vault:/",
    "b2": "b2:vault:a",
    "rclone": "rclone:box:a/b c",
}


def storage(kind: str, settings: Settings) -> BackupStorage:
    names = tuple(key.name for key in ROWS[kind].credentials)
    return BackupStorage(
        id="vault",
        cluster="c",
        kind=kind,
        settings=settings,
        password=SecretKeyRef(secret="p"),
        credentials="keys" if names else None,
        credential_keys=names,
        status=StorageStatus.ACTIVE,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        namespaces=("*",),
    )


def repository_job(where: BackupStorage) -> JsonObject:
    return build_repository_job(
        name="n",
        namespace="kronkeep",
        steps=[("a", ["restic", "x"])],
        repository=Repository(storage=where),
        settings=ArchiveSettings(),
        deadline_seconds=60,
    )


def access(kind: str) -> RepositoryAccess:
    return storage_kinds.access_of(storage(kind, GOOD[kind]))


def test_every_kind_of_the_table_has_its_module_and_a_case_here() -> None:
    assert list(storage_kinds.KINDS) == list(ROWS) == list(GOOD) == [kind.kind for kind in all_kinds()]
    for kind in all_kinds():
        assert kind.description
        assert all(field.description for field in kind.fields)


@pytest.mark.parametrize("kind", GOOD)
def test_the_address_of_a_repository(kind: str) -> None:
    assert access(kind).address == REPOSITORY[kind]


@pytest.mark.parametrize("kind", GOOD)
def test_the_address_of_another_repository_in_a_folder_of_it(kind: str) -> None:
    in_folder = access(kind).in_folder("own").address
    assert in_folder == REPOSITORY[kind].rstrip("/") + "/own"


def test_volumes_of_the_kinds_that_are_mounted() -> None:
    def volume(kind: str) -> object:
        return access(kind).volume

    assert volume("local") == {"hostPath": {"path": "/srv/vault", "type": "DirectoryOrCreate"}}
    assert volume("nfs") == {"nfs": {"server": "nas.example", "path": "/export/vault"}}
    assert volume("pvc") == {"persistentVolumeClaim": {"claimName": "vault"}}
    assert volume("proxmox") == {"persistentVolumeClaim": {"claimName": "kronkeep-storage-vault"}}
    assert all(volume(kind) is None for kind in ("ceph", "s3", "sftp", "rest", "azure", "gs", "b2", "rclone"))


def test_the_claims_of_ceph_and_of_proxmox() -> None:
    ceph: Settings = {
        "storage_class": "rbd",
        "namespace": "shop",
        "size": "9Gi",
        "access_mode": "ReadWriteOnce",
    }
    for kind, settings, name in (("ceph", ceph, "rbd"), ("proxmox", PROXMOX, "proxmox-tank")):
        typed = storage_kinds.parse_settings(kind, settings)
        claim = storage_kinds.KINDS[kind].claim("vault", typed)
        assert claim is not None
        assert claim["spec"]["storageClassName"] == name
        assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]
        assert storage_kinds.KINDS[kind].namespace(typed) == "shop"
        assert storage_kinds.access_of(storage(kind, settings)).address == "/repository"


def test_ssh_gets_every_option_and_asks_nothing() -> None:
    option, command = access("sftp").options
    words = command.removeprefix("sftp.command=").split(" ")
    assert option == "-o"
    assert words[:5] == ["ssh", "-F", "none", "-p", "2222"]
    assert words[-5:] == ["-l", "keeper", "nas.example", "-s", "sftp"]
    for needed in ("StrictHostKeyChecking=yes", "BatchMode=yes", "IdentitiesOnly=yes"):
        assert needed in words


def test_the_options_of_a_bucket_are_its_certificate_its_region_and_its_lookup() -> None:
    assert access("s3").options == (
        "--cacert",
        "/kronkeep/keys/ca.crt",
        "-o",
        "s3.region=eu-1",
        "-o",
        "s3.bucket-lookup=path",
    )


@pytest.mark.parametrize("kind", GOOD)
def test_a_job_refers_to_the_keys_and_contains_none(kind: str) -> None:
    """A key is a reference to the Job's own Secret or a file of it; Proxmox VE's token is neither."""
    job = with_secret(repository_job(storage(kind, GOOD[kind])), "n-key")
    pod = job["spec"]["template"]["spec"]
    assert SECRET_PLACEHOLDER not in str(job)
    names = {entry["name"]: entry for entry in pod["containers"][0]["env"]}
    order = list(names)
    for key in ROWS[kind].credentials:
        if key.file or kind == "proxmox":
            assert key.name not in names
        else:
            assert names[key.name]["valueFrom"]["secretKeyRef"] == {"name": "n-key", "key": key.name}
            assert order.index(key.name) < order.index("RESTIC_REPOSITORY")
    assert names["RESTIC_PASSWORD_FILE"]["value"] == "/kronkeep/keys/password"


def test_a_node_selector_for_a_folder_of_one_node() -> None:
    one = storage("local", {"path": "/srv/vault", "node": "pi4"})
    job = repository_job(one)
    assert job["spec"]["template"]["spec"]["nodeSelector"] == {"kubernetes.io/hostname": "pi4"}


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("local", {"path": "relative"}),
        ("local", {"path": "/"}),
        ("local", {"path": "/a/../b"}),
        ("local", {"path": "/a\n"}),
        ("local", {"other": "x"}),
        ("nfs", {"server": "-oProxyCommand"}),
        ("pvc", {"namespace": "UP"}),
        ("ceph", {"storage_class": "rbd"}),
        ("ceph", {"bucket": ""}),
        ("proxmox", {"fingerprint": "AB:CD"}),
        ("proxmox", {"url": "http://pve:8006"}),
        ("s3", {"bucket": "ab"}),
        ("s3", {"bucket": "a/b"}),
        ("s3", {"endpoint": "https://user:pw@host"}),
        ("s3", {"endpoint": "file:///etc"}),
        ("s3", {"prefix": "../x"}),
        ("s3", {"bucket_lookup": "guess"}),
        ("sftp", {"host": "-oProxyCommand=x"}),
        ("sftp", {"host": "a b"}),
        ("sftp", {"user": "-x"}),
        ("sftp", {"path": "/a b"}),
        ("sftp", {"port": 0}),
        ("rest", {"url": "http://user:pw@host/"}),
        ("rest", {"url": "http://$(X)/"}),
        ("rclone", {"remote": "a:b"}),
        ("rclone", {"path": "../x"}),
    ],
)
def test_what_a_kind_refuses(kind: str, change: Settings) -> None:
    storage_kinds.parse_settings(kind, GOOD[kind])
    with pytest.raises(InvalidRequest):
        storage_kinds.parse_settings(kind, GOOD[kind] | change)


def test_an_unknown_kind_and_a_missing_field() -> None:
    with pytest.raises(InvalidRequest, match="there are local, nfs"):
        storage_kinds.parse_settings("tape", {})
    with pytest.raises(InvalidRequest, match="bucket: it is missing"):
        storage_kinds.parse_settings("s3", {})


def test_settings_are_the_same_with_defaults_written_out_and_numbers_as_text() -> None:
    assert are_same_settings("sftp", GOOD["sftp"], GOOD["sftp"] | {"port": "2222"})
    assert are_same_settings(
        "s3", {"bucket": "vault"}, {"bucket": "vault", "prefix": "", "bucket_lookup": "auto"}
    )
    assert not are_same_settings("s3", {"bucket": "vault"}, {"bucket": "other"})
    assert not are_same_settings("tape", {}, {})

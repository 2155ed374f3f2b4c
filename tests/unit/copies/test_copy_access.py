"""Two repositories in one pod: names that differ, and what clashes."""

from typing import Any

import pytest
from tests.records import vault

from kronkeep_common.models import BackupStorage, SecretKeyRef
from kronkeep_daemon.repositories import copy_access
from kronkeep_daemon.repositories.repository import PolicyKey, Repository

S3_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
REST_KEYS = ("RESTIC_REST_USERNAME", "RESTIC_REST_PASSWORD")


def storage(name: str, kind: str, settings: dict[str, Any], **fields: Any) -> BackupStorage:
    return vault(id=name, kind=kind, settings=settings, **fields)


def s3(name: str, secret: str, **settings: Any) -> BackupStorage:
    fields = {"endpoint": f"https://{name}.example", "bucket": "bucket", **settings}
    return storage(name, "s3", fields, credentials=secret, credential_keys=S3_KEYS)


def rest(name: str, secret: str, keys: tuple[str, ...] = REST_KEYS) -> BackupStorage:
    return storage(name, "rest", {"url": f"https://{name}/"}, credentials=secret, credential_keys=keys)


def sftp(name: str, secret: str) -> BackupStorage:
    settings = {"host": name, "user": "u", "path": "/r", "port": 22}
    return storage(name, "sftp", settings, credentials=secret)


def local(name: str, node: str = "") -> BackupStorage:
    return storage(name, "local", {"path": f"/{name}", "node": node})


@pytest.mark.parametrize(
    ("first", "second", "clash"),
    [
        (s3("a", "one"), s3("b", "one"), None),
        (s3("a", "one"), s3("b", "two"), "the credentials AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY"),
        (s3("a", "one", region="x"), s3("b", "one", region="y"), "restic's option s3.region"),
        (rest("a", "one"), rest("b", "two"), None),
        (sftp("a", "one"), s3("b", "two"), None),
        (sftp("a", "one"), sftp("b", "two"), "restic's option sftp.command"),
        (local("a"), local("b"), None),
        (local("a", "n1"), local("b", "n2"), "folders of two nodes, n1 and n2"),
        (local("a", "n1"), s3("b", "two"), None),
    ],
)
def test_clashes(first: BackupStorage, second: BackupStorage, clash: str | None) -> None:
    assert copy_access.find_clash(first, second) == clash


def copies_in(storage: BackupStorage, first: Repository) -> Repository:
    """Return the repository of copies in a storage with one for all."""
    return first._replace(storage=storage).as_copies_of(first.storage.id)


def test_two_folders_are_mounted_beside_each_other() -> None:
    first = Repository(storage=local("a", "n1"), folder="policy-p-1")
    access = copies_in(local("b"), first).with_source(first).access
    assert access.address == "/repository/copies-of-a.policy-p-1"
    assert access.environment["RESTIC_FROM_REPOSITORY"] == "/source-repository/policy-p-1"
    assert access.environment["RESTIC_FROM_PASSWORD_FILE"] == "/kronkeep/keys/source-password"
    assert [mount["mountPath"] for mount in access.mounts] == ["/repository", "/source-repository"]
    assert [volume["hostPath"]["path"] for volume in access.pod_volumes] == ["/b", "/a"]
    assert access.node == "n1"


def test_users_and_certificates_of_two_servers_have_names_of_their_own() -> None:
    keys = (*REST_KEYS, "ca.crt")
    access = (
        Repository(storage=rest("b", "two", keys))
        .with_source(Repository(storage=rest("a", "one", keys)))
        .access
    )
    user = "$(SOURCE_RESTIC_REST_USERNAME):$(SOURCE_RESTIC_REST_PASSWORD)"
    assert access.environment["RESTIC_FROM_REPOSITORY"] == f"rest:https://{user}@a/"
    assert access.secret_environment == (*REST_KEYS, *(f"SOURCE_{key}" for key in REST_KEYS))
    assert access.secret_files == ("ca.crt", "source-ca.crt")
    certificates = [word for word in access.options if word.startswith("/")]
    assert certificates == ["/kronkeep/keys/ca.crt", "/kronkeep/keys/source-ca.crt"]


def test_a_copy_opens_as_its_first_does_and_is_no_repository_of_backups() -> None:
    key = PolicyKey("c", "n", SecretKeyRef(secret="k"))
    first = Repository(storage=local("a"), folder="policy-p-1", key=key)
    copies = copies_in(local("b"), first)
    assert (copies.key, copies.encrypted, copies.first_storage_id) == (key, True, "a")
    assert copies.without_copies().folder == first.folder
    assert first.first_storage_id == ""
    plain = copies_in(local("b"), Repository(storage=local("a")))
    assert (plain.id, plain.first_storage_id, plain.without_copies().folder) == ("b/copies-of-a", "a", "")

"""Which repository an archive or a copy is in, by layout, and which password opens it."""

import re
from itertools import combinations, product
from typing import Any

import pytest
from tests.records import VAULT, make_backup, vault

from kronkeep_common.models import BackupCopy, BackupStorage, Encryption, SecretKeyRef
from kronkeep_common.models.storage_layout import LAYOUTS, Layout
from kronkeep_common.states import CopyStatus
from kronkeep_daemon.repositories.repository import (
    Repository,
    repository_in_folder,
    repository_of_backup,
    repository_of_copy,
    repository_of_policy,
)

_SECRET_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")  # Kubernetes, the keys of a Secret
OWN = Encryption()
PLACES = list(product(("c1", "c2"), ("shop", "bank"), ("p", "q")))


def of_layout(layout: Layout, **fields: Any) -> BackupStorage:
    return vault(settings={"path": "/srv"}, layout=layout, **fields)


def place(where: tuple[str, str, str], layout: Layout, encryption: Encryption = OWN) -> Repository:
    """Return the repository of a policy: of the cluster, the namespace and the id."""
    cluster, namespace, policy_id = where
    return repository_of_policy(policy_id, cluster, namespace, encryption, of_layout(layout))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_archives_share_a_repository_and_its_password_as_the_layout_says(layout: Layout) -> None:
    """Those of another namespace, or of another cluster, only in a shared one."""
    sharing = {"shared": 0, "namespace": 2, "policy": 3}[layout]
    for one, other in combinations(PLACES, 2):
        first, second = place(one, layout), place(other, layout)
        is_shared = one[:sharing] == other[:sharing]
        assert (first.id == second.id) is is_shared, (one, other)
        assert (first.password == second.password) is is_shared
        assert (first.access.address == second.access.address) is is_shared


@pytest.mark.parametrize("layout", ["namespace", "policy"])
def test_a_password_of_its_own_is_not_the_storages(layout: Layout) -> None:
    repository = repository_of_policy("p" * 40, "c", "n" * 63, OWN, of_layout(layout))
    assert repository.password.secret != VAULT.password.secret
    assert _SECRET_KEY.fullmatch(repository.password.key)
    assert repository_in_folder(repository.folder, repository.storage) == repository
    copies = repository.as_copies_of("s" * 63)
    assert _SECRET_KEY.fullmatch(copies.password.key)
    assert copies.layout == layout
    assert copies.password != repository.password


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "encryption", [Encryption(enabled=False), Encryption(key=SecretKeyRef(secret="own"))]
)
def test_a_policys_own_key_or_none_is_the_same_in_each_layout(encryption: Encryption, layout: Layout) -> None:
    own = place(PLACES[0], layout, encryption)
    shared = place(PLACES[0], "shared", encryption)
    assert (own.id, own.key, own.encrypted) == (shared.id, shared.key, shared.encrypted)
    assert own.id not in {place(PLACES[0], each).id for each in LAYOUTS}


@pytest.mark.parametrize("now", LAYOUTS)
def test_a_backup_stays_where_it_was_archived_whatever_the_layout_is_now(now: Layout) -> None:
    backup = make_backup(layout="namespace")
    assert repository_of_backup(backup, of_layout(now)).layout == "namespace"
    assert repository_of_backup(make_backup(), of_layout(now)).layout == now


@pytest.mark.parametrize("first", LAYOUTS)
@pytest.mark.parametrize("second", LAYOUTS)
def test_copies_are_laid_out_as_their_own_storage_is(first: Layout, second: Layout) -> None:
    """Two namespaces' copies share no password, though their originals may share one."""
    places = []
    for namespace in ("shop", "bank"):
        backup = make_backup(namespace=namespace, layout=first)
        copy = BackupCopy(
            id="c",
            backup_id=backup.id,
            cluster=backup.cluster,
            namespace=namespace,
            cronjob=backup.cronjob,
            cronjob_id=backup.cronjob_id,
            policy_id=backup.policy_id,
            from_storage_id="one",
            storage_id="two",
            status=CopyStatus.QUEUED,
            created_at=backup.created_at,
        )
        places.append(repository_of_copy(backup, copy, of_layout(second, id="two")))
    assert {repository.layout for repository in places} == {second}
    assert {repository.first_storage_id for repository in places} == {"one"}
    assert len({repository.password for repository in places}) == (1 if second == "shared" else 2)

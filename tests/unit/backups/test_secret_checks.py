"""Secrets that a policy names and that are missing are known as the policy is written."""

from typing import Any

import pytest

from kronkeep_common.models import BackupPolicySpec, SecretKeyRef
from kronkeep_common.models.policy import DatabaseDump, Encryption, Hook, Hooks, Include
from kronkeep_daemon.backups.secret_checks import find_warnings
from kronkeep_daemon.kube.errors import ClusterUnavailable, Forbidden, NotFoundInCluster
from kronkeep_daemon.kube.objects import JsonObject


class FakeSecrets:
    """A cluster with some Secrets; an error stands for what reading one ends in."""

    def __init__(self, secrets: dict[str, JsonObject | Exception]) -> None:
        self._secrets = secrets

    async def get(self, path: str) -> JsonObject:
        secret = self._secrets.get(path.rpartition("/")[2], NotFoundInCluster("not found"))
        if isinstance(secret, Exception):
            raise secret
        return secret


def name_key(secret: str, key: str) -> SecretKeyRef:
    return SecretKeyRef(secret=secret, key=key)


POLICY = BackupPolicySpec(
    storage_id="vault",
    encryption=Encryption(key=name_key("own-key", "password")),
    include=Include(
        database=DatabaseDump(
            image="postgres", command=("pg_dump",), env={"PGPASSWORD": name_key("shop-db", "pasword")}
        )
    ),
    hooks=Hooks(
        pre=(Hook(name="lock", image="i", command=("c",), env={"TOKEN": name_key("own-key", "password")}),),
        post=(Hook(name="free", image="i", command=("c",), env={"TOKEN": name_key("hooks", "token")}),),
    ),
)


async def test_each_missing_secret_and_key_of_a_policy_is_named_once() -> None:
    secrets: Any = FakeSecrets({"shop-db": {"data": {"password": "eA=="}}})
    assert await find_warnings(secrets, "shop", POLICY) == (
        "There is no Secret shop/own-key, which the policy needs: "
        "kubectl -n shop create secret generic own-key --from-literal=password=...",
        "The Secret shop/shop-db has no key pasword, which the policy needs.",
        "There is no Secret shop/hooks, which the policy needs: "
        "kubectl -n shop create secret generic hooks --from-literal=token=...",
    )


async def test_of_secrets_that_are_there_nothing_is_said() -> None:
    data = {"data": {"password": "eA==", "pasword": "eA==", "token": "eA=="}}
    secrets: Any = FakeSecrets(dict.fromkeys(("own-key", "shop-db", "hooks"), data))
    assert await find_warnings(secrets, "shop", POLICY) == ()


@pytest.mark.parametrize("fault", [Forbidden("forbidden"), ClusterUnavailable("away")])
async def test_where_secrets_may_not_be_read_nothing_is_said(fault: Exception) -> None:
    secrets: Any = FakeSecrets(dict.fromkeys(("own-key", "shop-db", "hooks"), fault))
    assert await find_warnings(secrets, "shop", POLICY) == ()

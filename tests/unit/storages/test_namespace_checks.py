"""A namespace that no cluster has is a warning of the storage that is to serve it."""

from typing import Any

import pytest

from kronkeep_daemon.kube.errors import Forbidden, NotFoundInCluster
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.storages.namespace_checks import find_warnings


class FakeNamespaces:
    """A cluster with some namespaces; without a list it may not be asked."""

    def __init__(self, *names: str, is_readable: bool = True) -> None:
        self._names = names
        self._is_readable = is_readable

    async def get(self, path: str) -> JsonObject:
        if not self._is_readable:
            raise Forbidden("forbidden")
        if path.rpartition("/")[2] not in self._names:
            raise NotFoundInCluster("not found")
        return {}


@pytest.mark.parametrize(
    ("clusters", "names"),
    [
        ((FakeNamespaces("shop"),), ["shpo"]),
        ((FakeNamespaces("web"), FakeNamespaces("shop")), ["shpo"]),
        ((FakeNamespaces("web"), FakeNamespaces(is_readable=False)), []),
        ((FakeNamespaces("shop", "shpo"),), []),
        ((), []),
    ],
)
async def test_a_namespace_that_no_cluster_has_is_named(clusters: tuple[Any, ...], names: list[str]) -> None:
    warnings = await find_warnings(clusters, ("shop", "shpo", "*", "shpo"))
    assert [warning.split()[4] for warning in warnings] == names

"""Which namespaces would refuse kronkeep's Jobs."""

from typing import Any

import pytest

from kronkeep_daemon.doctor.pod_security import ENFORCED, check_pod_security
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.errors import Forbidden


class Namespaces:
    """A cluster that has namespaces with these levels, and hides all others."""

    name = "prod"

    def __init__(self, **levels: str) -> None:
        self.levels = {paths.namespaces(name): level for name, level in levels.items()}

    async def get(self, path: str) -> dict[str, Any]:
        if path not in self.levels:
            raise Forbidden("No.")
        return {"metadata": {"labels": {ENFORCED: self.levels[path]}}}


@pytest.mark.parametrize(("user", "warned"), [(None, ["shop"]), (0, ["shop"]), (65534, [])])
async def test_root_is_refused_where_restricted_is_enforced(user: int | None, warned: list[str]) -> None:
    cluster = Namespaces(shop="restricted", kronkeep="baseline")
    names = ("kronkeep", "shop", "hidden", "shop")
    checks = [each async for each in check_pod_security(cluster, names, user)]  # type: ignore[arg-type]
    assert [check.name for check in checks] == [f"cluster prod namespace {name} pods" for name in warned]
    assert all("archive.run_as_user" in (check.next_step or "") for check in checks)

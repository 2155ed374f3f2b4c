"""Where CronJobs may be created: namespaces that hold keys, or the cluster itself, only by name."""

import pytest

from kronkeep_common.errors import Denied
from kronkeep_daemon.cronjobs.spec_limits import require_allowed
from kronkeep_daemon.settings import AllowSettings


def check(namespace: str, *allowed: str) -> None:
    cronjob = {"metadata": {"namespace": namespace, "name": "c"}, "spec": {}}
    require_allowed(cronjob, AllowSettings(namespaces=allowed), own_namespace="vault")


@pytest.mark.parametrize("namespace", ["vault", "kube-system", "kube-public", "kube-node-lease"])
@pytest.mark.parametrize("allowed", [(), ("*",), ("shop",)])
def test_a_reserved_namespace_is_refused_unless_it_is_named(namespace: str, allowed: tuple[str, ...]) -> None:
    with pytest.raises(Denied, match="reserved") as refused:
        check(namespace, *allowed)
    assert refused.value.details["field"] == "namespace"
    assert "allow.namespaces" in (refused.value.next_step or "")
    check(namespace, *allowed, namespace)


@pytest.mark.parametrize("allowed", [(), ("*",), ("shop",), ("*", "kube-system")])
def test_another_namespace_is_allowed_where_none_or_a_star_or_itself_is_named(
    allowed: tuple[str, ...],
) -> None:
    check("shop", *allowed)
    check("kronkeep" if not allowed else "shop", *allowed)


def test_a_namespace_that_is_not_named_is_refused() -> None:
    with pytest.raises(Denied, match="Nothing may be created in namespace billing"):
        check("billing", "shop", "kube-system")

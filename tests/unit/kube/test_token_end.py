"""When the token of a kubeconfig ends, who is told, and that a new one is used without a restart."""

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kronkeep_common.clock import SystemClock
from kronkeep_common.errors import ClusterUnreachable
from kronkeep_daemon.alerts.cluster_rules import check_token, token_findings
from kronkeep_daemon.kube import credentials
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.clusters import Clusters
from kronkeep_daemon.kube.token_end import read_token_end
from kronkeep_daemon.kube.token_monitor import TokenMonitor
from kronkeep_daemon.supervisor import Supervisor

END = datetime(2027, 11, 30, 12, tzinfo=UTC)


def token_of(claims: Any) -> str:
    """Return a JSON Web Token with these claims, which nobody has signed."""
    parts = (json.dumps(part).encode() for part in ({"alg": "RS256"}, claims))
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts) + ".c2ln"


def write_kubeconfig(path: Path, user: dict[str, Any]) -> Path:
    parts = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "clusters": [{"name": "x", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "x", "user": user}],
    }
    path.write_text(json.dumps(parts))
    return path


@pytest.mark.parametrize(
    ("token", "end"),
    [
        (token_of({"exp": END.timestamp()}), END),
        (token_of({"exp": END.timestamp(), "iss": "kubernetes", "aud": ["a"]}), END),
        (token_of({"iss": "legacy"}), None),
        (token_of([]), None),
        (token_of({"exp": "soon"}), None),
        (token_of({"exp": 1e300}), None),
        ("a.%%%.c", None),
        ("a.\u00e9.c", None),
        ("opaque", None),
        ("", None),
    ],
)
def test_the_end_is_read_from_the_token_itself(token: str, end: datetime | None) -> None:
    assert read_token_end(token) == end


async def test_only_a_token_that_nothing_renews_has_an_end(tmp_path: Path) -> None:
    token = token_of({"exp": END.timestamp()})
    (tmp_path / "token").write_text(token)
    users: list[tuple[dict[str, Any], datetime | None]] = [
        ({"token": token}, END),
        ({"tokenFile": str(tmp_path / "token")}, None),
        ({}, None),
    ]
    for user, end in users:
        path = write_kubeconfig(tmp_path / "kubeconfig", user)
        assert (await credentials.load(path, None, False)).token_ends_at == end


@pytest.mark.parametrize(
    ("left", "severity", "status"),
    [
        (timedelta(days=15), None, "ok"),
        (timedelta(days=14), "warning", "warn"),
        (timedelta(days=2), "critical", "warn"),
        (timedelta(hours=-1), "critical", "fail"),
    ],
)
def test_it_is_reported_two_weeks_before(left: timedelta, severity: str | None, status: str) -> None:
    found = token_findings("c", "prod", END, END - left)
    assert [finding.severity for finding in found] == ([severity] if severity else [])
    line = check_token("prod", END, END - left)
    assert line is not None
    assert (line.status, "2027-11-30 12:00 UTC" in line.message) == (status, True)
    assert token_findings("c", "prod", None, END) == []
    assert check_token("prod", None, END) is None


async def test_a_new_token_is_used_without_a_restart(tmp_path: Path) -> None:
    clock = SystemClock()
    soon = (clock.now() + timedelta(days=3)).replace(microsecond=0)
    later = soon + timedelta(days=365)
    path = write_kubeconfig(tmp_path / "kubeconfig", {"token": token_of({"exp": soon.timestamp()})})
    cluster = Cluster(path, None, False)
    await cluster.reload()
    monitor = TokenMonitor(clusters=Clusters([cluster]), supervisor=Supervisor(clock), clock=clock)
    await monitor.look(cluster)
    assert (cluster.token_ends_at, cluster.loads) == (soon, 1)
    write_kubeconfig(path, {"token": token_of({"exp": later.timestamp()})})
    await monitor.look(cluster)
    assert (cluster.token_ends_at, cluster.loads) == (later, 2)
    await cluster.close()


async def test_a_kubeconfig_that_may_not_be_read_says_who_needs_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_kubeconfig(tmp_path / "kubeconfig", {})

    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(ClusterUnreachable, match="Permission denied") as refused:
        await credentials.load(path, None, False)
    assert "chgrp kronkeepd" in refused.value.next_step

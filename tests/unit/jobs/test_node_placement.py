"""On which node a Job runs that mounts claims."""

from kronkeep_daemon.jobs import node_placement


def pod(name: str, claim: str, node: str | None, phase: str = "Running") -> dict[str, object]:
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": claim}}]
    spec = {"volumes": volumes, **({"nodeName": node} if node else {})}
    return {"metadata": {"name": name}, "spec": spec, "status": {"phase": phase}}


def test_an_archive_runs_where_the_claims_user_runs() -> None:
    pods = [
        pod("done", "data", "n1", "Succeeded"),
        pod("other", "logs", "n2"),
        pod("unbound", "data", None, "Pending"),
        pod("user", "data", "n3"),
    ]
    assert node_placement.find_user_node(pods, ["data"]) == "n3"
    assert node_placement.find_user_node(pods[:3], ["data"]) is None
    assert "n3" in str(node_placement.node_affinity("n3"))

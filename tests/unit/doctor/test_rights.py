"""The manifests grant what `doctor` asks for, and nothing else."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from kronkeep_daemon.doctor.rights import CLUSTER, OWN, RIGHTS, WATCHED, rights_by_namespace

FOLDER = Path(__file__).parents[3] / "systemd" / "kubernetes"
Grants = set[tuple[str, str, str]]


def read_grants(file: str, role: str) -> Grants:
    """Return (group, resource, verb) of every rule of a role that is not limited to names."""
    grants: Grants = set()
    for document in yaml.safe_load_all((FOLDER / file).read_text()):
        if document["kind"] in ("Role", "ClusterRole") and document["metadata"]["name"] == role:
            for rule in document["rules"]:
                if "resourceNames" not in rule:
                    grants |= each(rule)
    return grants


def each(rule: dict[str, Any]) -> Grants:
    return {(g, r, v) for g in rule["apiGroups"] for r in rule["resources"] for v in rule["verbs"]}


def grants_to_request(scope: str) -> Grants:
    return {(r.group, r.resource, verb) for r in RIGHTS if r.scope == scope for verb in r.verbs}


def test_the_cluster_role_is_the_table() -> None:
    text = yaml.safe_load_all((FOLDER / "rights.yaml").read_text())
    roles = {d["kind"]: d for d in text if d["kind"] in ("Role", "ClusterRole")}
    rules = {kind: set().union(*(each(r) for r in d["rules"])) for kind, d in roles.items()}
    of_all = grants_to_request(WATCHED) | grants_to_request(CLUSTER)
    assert rules["ClusterRole"] - {("", "namespaces", "get")} == of_all
    assert rules["Role"] == grants_to_request(OWN)


def test_the_namespaced_role_is_the_table() -> None:
    assert read_grants("rights-namespaced.yaml", "kronkeepd-watched") == grants_to_request(WATCHED)
    assert read_grants("rights-namespaced.yaml", "kronkeepd-identity") == grants_to_request(CLUSTER)
    assert read_grants("rights-namespaced.yaml", "kronkeepd") >= grants_to_request(OWN)


@pytest.mark.parametrize(("namespaces", "where"), [((), {None}), (("a", "b"), {"a", "b"})])
def test_a_right_is_asked_for_where_it_is_needed(namespaces: tuple[str, ...], where: set[str | None]) -> None:
    pairs = list(rights_by_namespace(namespaces, "own"))
    assert {namespace for right, namespace in pairs if right.scope == WATCHED} == where
    assert {namespace for right, namespace in pairs if right.scope == OWN} == {"own"}
    assert {namespace for right, namespace in pairs if right.scope == CLUSTER} == {None}

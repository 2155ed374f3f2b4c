"""Manifests in YAML: what is refused before libyaml composes it, and by which line."""

import pytest

from kronkeep_common import manifests
from kronkeep_common.errors import InvalidRequest
from kronkeep_common.models import CronJobManifest

CRONJOB = "kind: CronJob\nname: a\nimage: busybox:1.36\nschedule: '* * * * *'\n"


def test_several_documents_know_where_they_begin() -> None:
    documents = manifests.parse_documents(f"{CRONJOB}---\n---\nkind: BackupStorage\nid: vault\n", "shop.yaml")
    names = [(document.where, manifests.describe(document.body)) for document in documents]
    assert names == [("shop.yaml:1", "cronjob default/a"), ("shop.yaml:7", "storage vault")]


@pytest.mark.parametrize("opening", ["command: " + "[" * 100_000, "env: " + "{a: " * 100_000, "- " * 100_000])
def test_a_deep_document_is_refused_and_does_not_end_the_process(opening: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^shop\.yaml:2: nested deeper than 32"):
        manifests.parse_documents(f"---\n{opening}", "shop.yaml")


def test_what_is_closed_again_does_not_count() -> None:
    words = ", ".join(["x"] * 100)
    documents = manifests.parse_documents(
        f"{CRONJOB}command: [{words}]\nenv:\n" + "- {name: A}\n" * 100, "shop.yaml"
    )
    assert len(documents) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: &x [1]\nb: *x\n", "shop.yaml:2: aliases are refused"),
        (f"{CRONJOB}---\nkind: Secret\n", "shop.yaml:6: kind must be CronJob, BackupStorage or ClaimPolicy"),
        (f"{CRONJOB}nothing: 1\n", "shop.yaml:5: cronjob default/a: nothing: there is no such field."),
        ('{"kind": "CronJob",\n\t"name": "a", "imag": 3}', "shop.yaml:2:15: cronjob default/a: imag: "),
        ('{"kind": "CronJob",\n "name": "a",, "image": "x"}', "shop.yaml:2:14: Expecting property name"),
        ("kind: !!python/object:os.system x\n", "shop.yaml:1: could not determine a constructor"),
        ("a: b: c\n", "shop.yaml:1: mapping values are not allowed"),
        ("a" * (manifests.LARGEST + 1), "shop.yaml is larger than 1048576 characters"),
    ],
)
def test_refusals_name_the_line(text: str, words: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        manifests.parse_documents(text, "shop.yaml")
    assert refusal.value.message.startswith(words)


def test_a_manifest_of_kubernetes_keeps_all_but_its_status() -> None:
    text = "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: a}\nspec: {schedule: x}\nstatus: {}\n"
    (found,) = manifests.parse_documents(text, "shop.yaml")
    assert isinstance(found.body, CronJobManifest)
    assert (found.body.name, found.body.spec) == ("a", {"schedule": "x"})


def test_every_fault_has_its_own_line_and_a_list_its_items() -> None:
    text = (
        "kind: List\napiVersion: v1\nitems:\n"
        "- kind: CronJob\n  name: a\n  image: x\n  schedul: '* * * * *'\n"
        "- kind: CronJob\n  name: b\n  image: 3\n  schedule: '* * * * *'\n  policy:\n    storage_id: v\n"
        "    rpo_seconds: 30\n---\nkind: CronJb\n"
    )
    with pytest.raises(InvalidRequest) as refusal:
        manifests.parse_documents(text, "shop.yaml")
    lines = [fault.partition(" ")[0] for fault in refusal.value.details["faults"]]
    assert lines == ["shop.yaml:7:", "shop.yaml:4:", "shop.yaml:10:", "shop.yaml:14:", "shop.yaml:16:"]
    assert "Did you mean schedule?" in refusal.value.details["faults"][0]
    assert "Did you mean CronJob?" in refusal.value.details["faults"][4]


def test_a_list_as_kubectl_writes_it_is_its_items() -> None:
    item = "- apiVersion: batch/v1\n  kind: CronJob\n  metadata: {name: NAME}\n  spec: {schedule: x}\n"
    text = "kind: List\napiVersion: v1\nmetadata: {resourceVersion: ''}\nitems:\n"
    documents = manifests.parse_documents(text + item + item.replace("NAME", "B"), "shop.yaml")
    assert [document.where for document in documents] == ["shop.yaml:5", "shop.yaml:9"]

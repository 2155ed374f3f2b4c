"""Names of Jobs: they fit, they are valid, and they hold the whole id of a backup."""

import re

import pytest
from tests.records import VAULT, make_backup

from kronkeep_common.models import Encryption, SecretKeyRef
from kronkeep_daemon.backups import archive_manifests
from kronkeep_daemon.history.record_ids import new_id
from kronkeep_daemon.repositories import job_names
from kronkeep_daemon.repositories.repository import repository_of_policy

_VALID = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")  # RFC 1123


@pytest.mark.parametrize(
    "cronjob", ["d", "x" * 52, "a-long-name-that.ends-here", "seventeen-letters", "a" * 16 + ".b"]
)
def test_an_archives_job_has_the_whole_id_of_its_backup_and_a_valid_name(cronjob: str) -> None:
    backup = make_backup(id=new_id(), cronjob=cronjob, attempt=11)
    name = job_names.archive_job_name(backup)
    assert backup.id in name
    assert len(name) <= 57  # then Kubernetes cuts nothing of it off in the pod's name
    assert _VALID.fullmatch(name)
    assert job_names.RECORD_ID.findall(f"{name}-x7k2p") == [backup.id]
    hook = archive_manifests.hook_job_name(backup, "post", 19)
    assert len(hook) <= 63
    assert _VALID.fullmatch(hook)


@pytest.mark.parametrize(
    "encryption", [Encryption(enabled=False), Encryption(key=SecretKeyRef(secret="own"))]
)
@pytest.mark.parametrize("other", [("c2", "shop"), ("c", "evil")])
def test_the_id_of_another_namespaces_policy_leads_to_no_folder_of_it(
    encryption: Encryption, other: tuple[str, str]
) -> None:
    own = repository_of_policy("p", "c", "shop", encryption, VAULT)
    assert own.id == repository_of_policy("p", "c", "shop", encryption, VAULT).id
    assert own.id != repository_of_policy("p", *other, encryption, VAULT).id

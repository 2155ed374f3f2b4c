"""A storage's form: what its texts mean, every fault at its field, and what differs from a storage."""

import msgspec
import pytest
from tests.records import vault_with_usage

from kronkeep_common.models.storage import BackupStorageChange, StorageAddress
from kronkeep_common.models.storage_kinds import KINDS
from kronkeep_tui.form import storage_fields
from kronkeep_tui.form.storage_fields import find_changes, new_texts, parse_storage, texts_of


def test_a_storage_of_each_kind_has_its_fields_and_names_what_it_lacks() -> None:
    assert parse_storage(new_texts()).request is not None  # the example
    for name in KINDS:
        parsed = parse_storage(new_texts() | {"kind": name, "id": "", "local.path": ""})
        required = [f"{name}.{field.name}" for field in storage_fields.KINDS[name].fields if field.required]
        assert parsed.request is None
        assert {"id", *required} <= set(parsed.faults), name


def test_secrets_are_named_and_numbers_are_numbers() -> None:
    texts = new_texts() | {
        "kind": "sftp",
        "id": "off",
        "sftp.host": "h",
        "sftp.user": "u",
        "sftp.path": "/p",
        "sftp.port": "2222",
        "credentials": "keys",
        "password": "pw/key",
        "namespaces": "a, b",
        "capacity_bytes": "1Ti",
    }
    request = parse_storage(texts).request
    assert request is not None
    assert request.settings["port"] == 2222
    assert request.password is not None
    assert (request.password.secret, request.password.key) == ("pw", "key")
    assert (request.credentials, request.namespaces, request.capacity_bytes) == ("keys", ("a", "b"), 2**40)


@pytest.mark.parametrize(
    ("path", "text", "words"),
    [
        ("local.path", "relative", "not of the right form: an absolute folder"),
        ("id", "No Name", "A name has a-z"),
        ("namespaces", "shop Billing", "'Billing' is no namespace"),
        ("capacity_bytes", "much", "'much' is no size"),
        ("bandwidth", "quick", ""),
        ("bandwidth_zone", "Mars/Base", "Mars"),
        ("password", "a b", "SECRET/KEY"),
    ],
)
def test_every_fault_is_at_its_field(path: str, text: str, words: str) -> None:
    texts = new_texts() | {"id": "vault", "local.path": "/v", path: text}
    parsed = parse_storage(texts)
    assert (parsed.request, set(parsed.faults)) == (None, {path})
    assert words in parsed.faults[path]


def test_a_storage_comes_back_as_it_is_and_only_what_differs_is_asked_for() -> None:
    given = vault_with_usage(used_bytes=1, capacity_bytes=None)
    vault = msgspec.structs.replace(given, settings={"path": "/v"})
    texts = texts_of(vault)
    same = parse_storage(texts, is_new=False).request
    assert same is not None
    assert find_changes(vault, same) == (None, None)
    texts |= {f"{vault.kind}.path": "/elsewhere", "bandwidth": "else 1 MiB/s"}
    changed = parse_storage(texts, is_new=False).request
    assert changed is not None
    address, limits = find_changes(vault, changed)
    assert isinstance(address, StorageAddress)
    assert address.settings["path"] == "/elsewhere"
    assert limits == BackupStorageChange(bandwidth="else 1 MiB/s")
    assert storage_fields.find_kept({"capacity_bytes": "1Gi"}, {"capacity_bytes": ""}).keys() == {
        "capacity_bytes"
    }

"""A storage in one line."""

import pytest

from kronkeep_common.errors import InvalidRequest
from kronkeep_tui.storage_line import EXAMPLE, complete, parse


def test_the_example_is_a_storage() -> None:
    storage = parse(EXAMPLE)
    assert (storage.id, storage.kind, storage.settings) == ("vault", "local", {"path": "/var/backups/vault"})


def test_secrets_are_named_and_numbers_are_numbers() -> None:
    storage = parse("off s3 bucket=b endpoint=https://s3 credentials=keys password=pw/key")
    assert storage.credentials == "keys"
    assert storage.password is not None
    assert (storage.password.secret, storage.password.key) == ("pw", "key")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("vault", "NAME KIND"),
        ("vault tape path=/x", "no kind 'tape'"),
        ("vault local path", "not like field=value"),
        ("vault local bucket=b", "no field bucket"),
        ("vault local", "local needs path=: .*folder"),
        ("vault 'local", "cannot be read"),
    ],
)
def test_a_fault_is_named(line: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        parse(line)


def test_kinds_and_fields_are_completed() -> None:
    assert "v local" in complete("v lo")
    assert complete("v local p") == ["v local path=", "v local password="]
    assert complete("v local path=/x pa") == ["v local path=/x password="]
    assert complete("v local path=/x") == []

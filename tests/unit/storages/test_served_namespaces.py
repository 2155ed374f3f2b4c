"""Which namespaces a storage serves: those that it names, and no others."""

import pytest
from tests.records import vault

from kronkeep_common.models import BackupStorageChange, BackupStorageCreate
from kronkeep_common.models.storage import declared_change


@pytest.mark.parametrize(
    ("namespaces", "serves"),
    [((), False), (("shop",), True), (("billing",), False), (("*",), True), (("sho", "shop-2"), False)],
)
def test_a_storage_serves_what_it_names(namespaces: tuple[str, ...], serves: bool) -> None:
    assert vault(namespaces=namespaces).serves("shop") is serves


@pytest.mark.parametrize(
    ("declared", "change"),
    [
        ({}, None),
        ({"namespaces": ("shop", "billing")}, None),
        ({"namespaces": ("shop",)}, BackupStorageChange(namespaces=("shop",))),
        ({"capacity_bytes": 5}, BackupStorageChange(capacity_bytes=5)),
        ({"capacity_bytes": 4}, None),
    ],
)
def test_a_manifest_changes_what_it_names(
    declared: dict[str, object], change: BackupStorageChange | None
) -> None:
    stored = vault(namespaces=("billing", "shop"), capacity_bytes=4)
    manifest = BackupStorageCreate(id="vault", kind="local", **declared)  # type: ignore[arg-type]
    assert declared_change(stored, manifest) == change

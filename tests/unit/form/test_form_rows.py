"""The rows of a form, and what is known about their fields."""

import pytest
from tests.records import vault_with_usage

from kronkeep_tui.form.draft import new_draft
from kronkeep_tui.form.form_rows import describe_free_space, row_of_error_field, rows_of_draft, time_zones


def test_a_section_comes_with_its_lead_and_a_list_ends_with_an_empty_row() -> None:
    shown = [row.label for row in rows_of_draft(new_draft(), {}) if not row.key]
    assert shown == ["CronJob", "Running", "Backup"]
    assert "Hooks" in [row.label for row in rows_of_draft(new_draft("vault"), {}) if not row.key]
    keys = [row.key for row in rows_of_draft(new_draft() | {"env.0": "A=b"}, {})]
    assert [key for key in keys if key.startswith("env.")] == ["env.0", "env.1"]


@pytest.mark.parametrize(
    ("named", "key"),
    [
        ("name", "name"),
        ("policy.schedule", "policy.schedule"),
        ("storage_id", "policy.storage_id"),
        ("source", "policy.source.claims.0"),
        ("policy.encryption.enabled", "policy.encryption.enabled"),
        ("hooks", "policy.hooks.pre.0"),
        ("nonsense", None),
    ],
)
def test_an_error_s_field_is_found_in_the_form(named: str, key: str | None) -> None:
    assert row_of_error_field(named) == key


def test_free_space_is_what_is_left_of_the_capacity() -> None:
    assert describe_free_space(vault_with_usage()) == "not measured"
    assert describe_free_space(vault_with_usage(used_bytes=1024**3)) == "1.0 GiB used"
    assert (
        describe_free_space(vault_with_usage(used_bytes=1024**3, capacity_bytes=4 * 1024**3))
        == "3.0 GiB of 4.0 GiB free"
    )
    assert describe_free_space(
        vault_with_usage(used_bytes=9, capacity_bytes=4 * 1024**3, available_bytes=1024**3)
    ).startswith("1.0 GiB of")


def test_zones_are_known_by_name() -> None:
    assert "Europe/Berlin" in time_zones()

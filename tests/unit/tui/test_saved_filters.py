"""Filters under names: those of the settings and those that were saved in the terminal."""

from pathlib import Path

import pytest

from kronkeep_common.errors import InvalidRequest
from kronkeep_tui.saved_filters import SavedFilters


def test_a_filter_is_saved_completed_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "filters.json"
    filters = SavedFilters({"tonight": "age:<12h"}, path)
    filters.save("worst", "status:failed ns:pay")
    again = SavedFilters({"tonight": "age:<12h"}, path)
    assert again.complete("@") == ["@tonight", "@worst"]
    assert again.expand(" @worst ") == "status:failed ns:pay"
    assert again.expand("status:ok") == "status:ok"
    with pytest.raises(InvalidRequest, match="no filter @wrst"):
        again.expand("@wrst")


@pytest.mark.parametrize("name", ["", "a b", "tonight", "../x"])
def test_names_that_cannot_be(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest):
        SavedFilters({"tonight": "age:<12h"}, tmp_path / "filters.json").save(name, "ns:a")


def test_a_file_that_is_damaged_or_cannot_be_written_is_no_crash(tmp_path: Path) -> None:
    path = tmp_path / "filters.json"
    path.write_text("{")
    assert SavedFilters({}, path).texts() == {}
    with pytest.raises(InvalidRequest, match="cannot be written"):
        SavedFilters({}, path / "below").save("a", "ns:a")

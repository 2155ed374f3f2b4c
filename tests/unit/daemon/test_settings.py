import asyncio
from pathlib import Path

import pytest

from kronkeep_common.errors import InvalidSettings
from kronkeep_daemon import settings


def test_defaults_need_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setenv("KRONKEEPD_STATE", "/somewhere")
    loaded = settings.load(None)
    assert loaded.state == "/somewhere"
    assert loaded.controller_zone == "UTC"


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    file = tmp_path / "kronkeepd.toml"
    file.write_text(
        'controller_zone = "Europe/Berlin"\n[clusters.prod]\nkubeconfig = "/k"\nnamespaces = ["a"]\n'
    )
    loaded = settings.load(file)
    assert loaded.clusters["prod"].namespaces == ("a",)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("stat = 'x'", "stat"),
        ("late_after_seconds = -1", "late_after_seconds"),
        ("= 1", "line 1"),
        ("namespace = 3", "namespace"),
        ("[[alerts.channels]]\nname = 'a'\nkind = 'webhook'", "either url_file or url_secret"),
        ("[[alerts.channels]]\nname = 'a'\nkind = 'webhook'\nurl = 'https://x/token'", "url"),
        ("[[alerts.channels]]\nname = 'a'\nkind = 'webhook'\nurl_file = 'f'\n" * 2, "two channels"),
        ("[[alerts.channels]]\nname = 'a'\nkind = 'fax'\nurl_file = 'f'", "kind"),
    ],
)
def test_a_wrong_file_is_refused_with_its_fault(tmp_path: Path, text: str, fault: str) -> None:
    file = tmp_path / "kronkeepd.toml"
    file.write_text(text)
    with pytest.raises(InvalidSettings, match=fault):
        settings.load(file)
    with pytest.raises(InvalidSettings, match="No such file"):
        settings.load(tmp_path / "none.toml")


async def test_a_reload_gives_settings_or_the_fault(tmp_path: Path) -> None:
    file = tmp_path / "kronkeepd.toml"
    file.write_text("")
    versions = settings.reloads(file)
    first = asyncio.ensure_future(anext(versions))
    texts = iter(['namespace = "one"', "nonsense"])
    file.write_text(next(texts))
    while not first.done():
        await asyncio.wait([first], timeout=0.3)
        file.write_text('namespace = "one"')
    loaded = await first
    assert isinstance(loaded, settings.Settings)
    assert loaded.namespace == "one"
    second = asyncio.ensure_future(anext(versions))
    while not second.done():
        file.write_text("nonsense")
        await asyncio.wait([second], timeout=0.3)
    while not isinstance(fault := await second, InvalidSettings):
        second = asyncio.ensure_future(anext(versions))
    assert "kronkeepd.toml" in str(fault)
    await versions.aclose()  # type: ignore[attr-defined]

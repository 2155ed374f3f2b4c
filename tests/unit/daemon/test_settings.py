import asyncio
import logging
from pathlib import Path

import pytest

from kronkeep_common.errors import InvalidSettings
from kronkeep_daemon import settings
from kronkeep_daemon.log_format import JournalFormatter, JsonFormatter, TextFormatter, choose_formatter
from kronkeep_daemon.settings_reload import SettingsReloader


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


COMMAND = "[[alerts.channels]]\nname = 'a'\nkind = 'command'\n"
REPORT = (
    "[[alerts.channels]]\nname = 'a'\nkind = 'webhook'\nurl_file = 'f'\n[alerts.report]\nchannels = ['a']\n"
)
CHANNEL = "[[alerts.channels]]\nname = 'a'\nkind = 'webhook'\nurl_file = 'f'\n"


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
        (COMMAND + "command = ['page']", "absolute path"),
        (COMMAND, "needs a command"),
        (COMMAND + "command = ['/page']\nurl_file = 'f'", "no URL"),
        (CHANNEL + "command = ['/page']", "only a channel of the kind command"),
        (CHANNEL + "filter = 'team:a'", "channel a: The filter does not know 'team'"),
        (CHANNEL + "quiet = {start = '7:00', end = '08:00'}", "quiet.start"),
        (CHANNEL + "quiet = {start = '07:00', end = '08:00', time_zone = 'Mars'}", "Mars"),
        (CHANNEL + "quiet = {start = '07:00', end = '07:00'}", "quiet hours end when they start"),
        ("[[alerts.channels]]\nname = 'a'\nkind = 'fax'\nurl_file = 'f'", "kind"),
        ("[alerts.report]\nchannels = ['a']", "no channel a"),
        (CHANNEL + "[alerts.report]\nchannels = ['b']", "no channel b"),
        (CHANNEL.replace("webhook", "alertmanager") + "[alerts.report]\nchannels = ['a']", "alerts only"),
        (REPORT + "schedule = '@every 24h'", "@every"),
        (REPORT + "schedule = '0 25 * * *'", "hour"),
        (REPORT + "time_zone = 'Berlin'", "time zone"),
        (REPORT + "filter = 'status:failed'", "status"),
        ("[metrics]\nlisten = '0.0.0.0:9877'", "no address of this machine alone"),
        ("[metrics]\nlisten = '[2001:db8::1]:9877'", "no address of this machine alone"),
        ("[metrics]\nlisten = 'localhost:9877'", "such as 127.0.0.1:9877"),
        ("[metrics]\nlisten = '127.0.0.1'", "such as 127.0.0.1:9877"),
        ("[metrics]\nlisten = '127.0.0.1:99999'", "such as 127.0.0.1:9877"),
        ("[metrics]\ntextfile = 'kronkeep.prom'", "an absolute path"),
        ("[metrics]\ntextfile = '/var/lib/kronkeep.txt'", "ends with .prom"),
    ],
)
def test_a_wrong_file_is_refused_with_its_fault(tmp_path: Path, text: str, fault: str) -> None:
    file = tmp_path / "kronkeepd.toml"
    file.write_text(text)
    with pytest.raises(InvalidSettings, match=fault):
        settings.load(file)
    with pytest.raises(InvalidSettings, match="No such file"):
        settings.load(tmp_path / "none.toml")


@pytest.mark.parametrize(
    "text",
    [
        "listen = '127.0.0.1:9877'",
        "listen = '[::1]:9877'",
        "listen = '0.0.0.0:9877'\nallow_remote = true",
        "textfile = '/var/lib/prometheus/node-exporter/kronkeep.prom'",
    ],
)
def test_where_metrics_may_be_read(text: str) -> None:
    assert settings.parse(f"[metrics]\n{text}", "f").metrics != settings.MetricsSettings()


class Reloads:
    """A settings file, and what a reload put in force."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "kronkeepd.toml"
        self.file.write_text("")
        self.in_force: list[settings.Settings] = []
        self.reloader = SettingsReloader(
            load=lambda: settings.load(self.file), old=settings.load(self.file), apply=self.in_force.append
        )


async def test_a_changed_file_is_put_in_force(tmp_path: Path) -> None:
    reloads = Reloads(tmp_path)
    follow = asyncio.create_task(reloads.reloader.follow(reloads.file))
    while not reloads.in_force:
        reloads.file.write_text('namespace = "one"')
        await asyncio.wait([follow], timeout=0.3)
    follow.cancel()
    assert reloads.in_force[-1].namespace == "one"


async def test_a_relative_file_of_a_configmap_is_read_when_its_link_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kubelet writes a new folder and renames a link to it; the file's own link stays as it is."""
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        (tmp_path / f"..{name}").mkdir()
        (tmp_path / f"..{name}" / "kronkeepd.toml").write_text(f'namespace = "{name}"')
    (tmp_path / "..data").symlink_to("..one")
    file = Path("kronkeepd.toml")
    file.symlink_to("..data/kronkeepd.toml")
    in_force: list[settings.Settings] = []
    reloader = SettingsReloader(
        load=lambda: settings.load(file), old=settings.load(file), apply=in_force.append
    )
    follow = asyncio.create_task(reloader.follow(file))
    while not in_force:  # the watch may begin after a swap
        for name in ("two", "one"):
            (tmp_path / "..data_tmp").symlink_to(f"..{name}")
            (tmp_path / "..data_tmp").rename(tmp_path / "..data")
            await asyncio.wait([follow], timeout=1.5)  # far longer than changes are gathered for
            if in_force:
                break
    follow.cancel()


def test_a_signal_reloads_what_can_be_and_names_the_rest(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reloads = Reloads(tmp_path)
    reloads.file.write_text('late_after_seconds = 7\nstate = "/elsewhere"')
    reloads.reloader.reload_for_signal()
    assert reloads.in_force[-1].late_after_seconds == 7
    assert reloads.in_force[-1].state == settings.load(None).state
    assert "a change of state takes effect at the next start" in caplog.text


def test_a_faulty_file_changes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    reloads = Reloads(tmp_path)
    reloads.file.write_text("nonsense")
    reloads.reloader.reload_for_signal()
    assert reloads.in_force == []
    assert "the old ones stay in force" in caplog.text


@pytest.mark.parametrize(
    ("chosen", "environment", "on_terminal", "formatter"),
    [
        ("auto", {"JOURNAL_STREAM": "8:1"}, False, JournalFormatter),
        ("auto", {}, False, JsonFormatter),
        ("auto", {}, True, logging.Formatter),
        ("text", {}, False, TextFormatter),
        ("text", {"JOURNAL_STREAM": "8:1"}, False, JournalFormatter),
        ("json", {"JOURNAL_STREAM": "8:1"}, True, JsonFormatter),
    ],
)
def test_the_log_has_the_format_that_suits_its_reader(
    chosen: str, environment: dict[str, str], on_terminal: bool, formatter: type[logging.Formatter]
) -> None:
    assert type(choose_formatter(chosen, environment, on_terminal=on_terminal)) is formatter


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('name = "a"\nkind = "postgres"', "sink a needs either url_file or url_secret"),
        ('name = "a"\nkind = "mysql"\nurl_file = "x"', "it cannot be 'mysql'"),
        ('name = "A b"\nkind = "postgres"\nurl_file = "x"', "name"),
        ('name = "a"\nkind = "postgres"\nurl_file = "x"\nsslmode = "allow"', "sslmode"),
        ('name = "a"\nkind = "postgres"\nurl_file = "x"\nfolder = "/x"', "which is for the kind parquet"),
        ('name = "a"\nkind = "parquet"\nfolder = "x"', "needs a folder, an absolute path"),
        ('name = "a"\nkind = "parquet"\nfolder = "/x"\nurl_file = "x"', "a folder and no URL"),
        ('name = "a"\nkind = "parquet"\nfolder = "/x"', "set history.keep_runs_per_cronjob = 0"),
    ],
)
def test_a_sink_that_cannot_be_used_is_refused(text: str, words: str) -> None:
    with pytest.raises(InvalidSettings, match=words):
        settings.parse(f"[[history.sinks]]\n{text}\n", "kronkeepd.toml")


@pytest.mark.parametrize(("days", "is_refused"), [(0, False), (63, True), (64, False)])
def test_months_as_files_need_runs_that_are_kept_until_a_month_is_sealed(
    days: int, *, is_refused: bool
) -> None:
    text = (
        f"[history]\nkeep_days = {days}\nkeep_runs_per_cronjob = 0\n"
        '[[history.sinks]]\nname = "a"\nkind = "parquet"\nfolder = "/x"\n'
    )
    if is_refused:
        with pytest.raises(InvalidSettings, match="64 and more"):
            settings.parse(text, "kronkeepd.toml")
    else:
        assert settings.parse(text, "kronkeepd.toml").history.databases == ()

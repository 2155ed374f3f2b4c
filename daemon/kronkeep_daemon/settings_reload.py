"""The reload of the settings: when their file changes, and at SIGHUP (`systemctl reload kronkeepd`)."""

import logging
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from watchfiles import awatch

from kronkeep_common.errors import InvalidSettings
from kronkeep_daemon.settings import READ_AT_START, Settings
from kronkeep_daemon.systemd_notify import notify

log = logging.getLogger(__name__)
DEBOUNCE_MILLISECONDS = 200


class SettingsReloader:
    """The reload of the settings; a version with a fault changes nothing."""

    def __init__(
        self, *, load: Callable[[], Settings], old: Settings, apply: Callable[[Settings], None]
    ) -> None:
        """Take what loads the settings, those that were loaded before, and what puts new ones in force."""
        self._load = load
        self._old = old
        self._apply = apply

    async def follow(self, file: Path) -> None:
        """Reload whenever the file has another text after something in its folder changed.

        A ConfigMap's volume replaces the link `..data` beside the file, and an editor may rename another file
        to its name, so what changed says nothing.
        """
        seen: bytes | None = None  # the first change is always read: it may have come before the watch began
        async for _ in awatch(file.parent, recursive=False, debounce=DEBOUNCE_MILLISECONDS):
            text = _read_or_none(file)
            if text is None or text != seen:
                seen = text
                self._reload()

    def reload_for_signal(self) -> None:
        """Reload at SIGHUP, and tell systemd when it began and ended (sd_notify(3), RELOADING=1)."""
        notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            self._reload()
        finally:
            notify("READY=1")

    def _reload(self) -> None:
        """Load the settings and put them in force; of those read at the start the old ones stay."""
        try:
            new = self._load()
        except InvalidSettings as fault:
            log.error("the settings are invalid, the old ones stay in force: %s", fault)
            return
        kept = {name: getattr(self._old, name) for name in READ_AT_START}
        differing = [name for name in READ_AT_START if getattr(new, name) != kept[name]]
        if differing:
            log.warning("a change of %s takes effect at the next start", ", ".join(differing))
        self._apply(msgspec.structs.replace(new, **kept))
        log.info("the settings were reloaded")


def _read_or_none(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except OSError:
        return None

"""The objects that nearly every service needs."""

from collections.abc import Callable

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_daemon.events import Bus
from kronkeep_daemon.history import History
from kronkeep_daemon.kube.clusters import Clusters
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.supervisor import Supervisor


class CurrentSettings:
    """The settings in force, read by calling it; a reload of the settings file replaces them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def __call__(self) -> Settings:
        return self.settings


class Foundation(msgspec.Struct, frozen=True, kw_only=True):
    """What nearly every service is created with."""

    clusters: Clusters
    history: History
    bus: Bus
    clock: Clock
    settings: Callable[[], Settings]
    supervisor: Supervisor

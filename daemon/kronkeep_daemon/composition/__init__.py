"""Composition of the daemon's services: every long-lived object is created here and passed by keyword."""

from kronkeep_daemon.composition.foundation import CurrentSettings
from kronkeep_daemon.composition.root import Composition, compose

__all__ = ["Composition", "CurrentSettings", "compose"]

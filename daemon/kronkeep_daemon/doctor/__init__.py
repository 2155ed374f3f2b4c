"""The doctor: checks of everything that kronkeep depends on; it changes nothing."""

from kronkeep_daemon.doctor.daemon_checks import Doctor

__all__ = ["Doctor"]

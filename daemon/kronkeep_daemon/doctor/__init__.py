"""Looks at everything that kronkeep stands on; changes nothing."""

from kronkeep_daemon.doctor.daemon_checks import Doctor

__all__ = ["Doctor"]

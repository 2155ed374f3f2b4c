"""Looks at everything that kronkeep stands on; changes nothing."""

from kronkeep_daemon.doctor.checks import Doctor

__all__ = ["Doctor"]

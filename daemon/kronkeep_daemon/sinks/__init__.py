"""Sinks: databases that the history's changes are shipped to, so that a fleet has one history to query."""

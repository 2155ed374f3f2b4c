"""Backup storages: created with their repository, measured, checked, deleted."""

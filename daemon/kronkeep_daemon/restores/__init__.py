"""Restores: browse a snapshot, download a file, restore, verify, drill."""

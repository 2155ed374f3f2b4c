"""Restores of snapshots: browse a snapshot, download a file, restore, verify, drill."""

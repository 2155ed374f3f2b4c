"""restic repositories on storages: made, opened, measured, checked, worked on by our Jobs in turn."""

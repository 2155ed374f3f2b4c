"""Second copies of backups: which are due, made by `restic copy`, kept by their own retention."""

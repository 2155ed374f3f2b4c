"""restic repositories: where they are, which exist, who may work on them, and the Jobs that do."""

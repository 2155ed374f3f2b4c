"""The restic command line: one module a subcommand, and what a version of restic can do."""

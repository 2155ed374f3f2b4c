"""restic's command line: one module a subcommand, with its arguments (`argv`) and its output (`parse`); pure.

Beside them: `command_line` (what all subcommands share), `output` (the lines of a log), `faults` (why restic
failed), `exit_codes`, and `requirements` (what a policy needs of restic's version).
"""

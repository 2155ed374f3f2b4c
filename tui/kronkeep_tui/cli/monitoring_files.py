"""`kronkeep monitoring`: alerting rules for Prometheus and a dashboard for Grafana, without a daemon."""

import argparse
import json
import sys

from kronkeep_tui.cli.verb import Verbs

RUNBOOKS = "the address of docs/metrics.md, to which each rule's runbook_url leads"


def add_parser(verbs: Verbs) -> None:
    """Add the verb `monitoring`."""
    text = "print alerting rules for Prometheus, or a dashboard for Grafana"
    monitoring = verbs.add_parser("monitoring", help=text, description=f"{text.capitalize()}.")
    printed = monitoring.add_subparsers(dest="printed", metavar="WHAT", required=True)
    rules = printed.add_parser("rules", help="a rule file of Prometheus (YAML)")
    rules.add_argument("--runbooks", metavar="URL", help=RUNBOOKS)
    rules.set_defaults(func=_print_rules)
    printed.add_parser("dashboard", help="a dashboard of Grafana (JSON)").set_defaults(func=_print_dashboard)


def _print_rules(options: argparse.Namespace) -> int:
    import yaml

    from kronkeep_common.monitoring.alerting_rules import RUNBOOKS as INSTALLED
    from kronkeep_common.monitoring.alerting_rules import rule_groups

    groups = rule_groups(options.runbooks or INSTALLED)
    sys.stdout.write(yaml.safe_dump(groups, sort_keys=False, width=1000))
    return 0


def _print_dashboard(_: argparse.Namespace) -> int:
    from kronkeep_common.monitoring.dashboard import dashboard

    sys.stdout.write(json.dumps(dashboard(), indent=2) + "\n")
    return 0

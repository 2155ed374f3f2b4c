"""The controllers of a control plane that running Jobs needs: CronJob, Job, garbage, scheduler, claims.

Each has a pure core (what should be, from what is) and shares one shell, which watches and applies over HTTP.
"""

from kronkeep_daemon.embedded.controllers.controller_manager import Controllers

__all__ = ["Controllers"]

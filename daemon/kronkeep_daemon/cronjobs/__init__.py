"""The base service: CronJobs and their executions; it knows nothing of backups."""

from kronkeep_daemon.cronjobs.service import CronJobService

__all__ = ["CronJobService"]

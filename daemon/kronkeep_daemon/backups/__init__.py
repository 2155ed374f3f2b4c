"""Backups: policies on CronJobs, archives that belong to runs, the repositories they go to."""

"""Backups: policies on CronJobs, archives that belong to runs, retention."""

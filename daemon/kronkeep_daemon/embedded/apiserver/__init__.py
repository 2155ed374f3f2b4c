"""A Kubernetes API server: the parts of 1.36 that CronJobs, Jobs, backups and kubectl use."""

from kronkeep_daemon.embedded.apiserver.server import ApiServer

__all__ = ["ApiServer"]

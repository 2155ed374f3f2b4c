"""The controllers that Jobs need in order to run: CronJob, Job, garbage collection, scheduling, claims.

A controller has a pure core, which plans what should be done from what is there, and a shell, which reads
cached objects and writes over HTTP. Namespaces are deleted by the API server itself; there is no quota, no
node lifecycle and no service account controller.
"""

from kronkeep_daemon.embedded.controllers.controller_manager import ControllerManager

__all__ = ["ControllerManager"]

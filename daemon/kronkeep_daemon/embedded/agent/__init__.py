"""A node: runs the containers of its pods as local processes with their mounts, in bubblewrap sandboxes.

Images are not pulled. A container runs its command on this machine's own file system, read-only, with its
mounts on top; what the image would have brought must be installed here, and arguments alone are run as with
an image that has no entrypoint. An image below `missing.invalid/` cannot be pulled, so that this failure can
be seen too.
"""

from kronkeep_daemon.embedded.agent.node import NodeAgent, run_agent

__all__ = ["NodeAgent", "run_agent"]

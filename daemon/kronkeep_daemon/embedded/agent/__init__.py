"""A node of the embedded cluster: an agent that runs the containers of its pods as processes of this machine.

Implemented as a kubelet does it: volumes, environment, init containers in order, restarts with back-off,
statuses, logs, graceful deletion, and the failure of pods whose processes were lost.

Images are not pulled. A container runs its command on this machine's own file system, mounted read-only, with
its volumes on top, in a bubblewrap sandbox. What the image would contain must be installed on this machine.
A container without `command` runs its `args` alone, as with an image that has no entrypoint. An image whose
name begins with `missing.invalid/` cannot be pulled, so that this failure can be produced on purpose.

Not implemented: probes, lifecycle hooks, resource limits, security contexts, sidecar and ephemeral
containers, pod networking (containers share the machine's network).
"""

from kronkeep_daemon.embedded.agent.node import NodeAgent, run_agent

__all__ = ["NodeAgent", "run_agent"]

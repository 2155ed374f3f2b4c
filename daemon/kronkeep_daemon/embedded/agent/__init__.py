"""A node of the embedded cluster: an agent that runs the containers of its pods as processes of this machine.

Implemented as a kubelet does it: volumes, environment, init containers in order, restarts with back-off,
statuses, logs, graceful deletion, and the failure of pods whose processes were lost.

Images are not pulled. A container runs its command in a bubblewrap sandbox, on the root file system of its
image (`image_folder`), with its volumes on top. Any other image gives ErrImagePull, unless the node was
started with this machine's tools: then its containers see this machine's own file system, read-only. A
container without `command` runs its `args` alone, as with an image that has no entrypoint.

Not implemented: probes, lifecycle hooks, resource limits, ephemeral containers, pod networking (containers
share the machine's network).
"""

from kronkeep_daemon.embedded.agent.node import NodeAgent, run_agent

__all__ = ["NodeAgent", "run_agent"]

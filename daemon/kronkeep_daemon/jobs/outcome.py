"""How a Job of kronkeep ended: its condition, and the exit code, reason and log of each container."""

import msgspec


class ContainerResult(msgspec.Struct, frozen=True, kw_only=True):
    """One container of a Job that has ended.

    name: as in the pod's spec.
    exit_code: None where it never ended, as when it was never started.
    reason: of its state (state.terminated or state.waiting), such as OOMKilled; empty where none is known.
    log: what is kept of its log; each line begins with its RFC 3339 time, as the kubelet writes it.
    """

    name: str
    exit_code: int | None
    reason: str = ""
    log: bytes = b""


class FinishedJob(msgspec.Struct, frozen=True, kw_only=True):
    """A Job that has ended.

    complete: whether its condition is Complete; else it is Failed.
    reason, message: of that condition; empty where Kubernetes gave none.
    containers: those that were started or may have been, init containers first: the order in which they run.
    pod: the name of its newest pod; empty where it has none any more.
    """

    complete: bool
    reason: str
    message: str
    containers: tuple[ContainerResult, ...]
    pod: str

    def container(self, name: str) -> ContainerResult | None:
        """Return the container of that name, or None."""
        return next((container for container in self.containers if container.name == name), None)

    @property
    def first_failure(self) -> ContainerResult | None:
        """The first container that ended with an exit code other than 0."""
        return next((container for container in self.containers if container.exit_code), None)

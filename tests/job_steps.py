"""The steps of a Job's containers, read from its manifest."""

from typing import Any

from kronkeep_daemon.jobs import step_chain


def containers_of(job: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a Job's containers in the order in which they run."""
    pod = job["spec"]["template"]["spec"]
    return [*pod["initContainers"], *pod["containers"]]


def steps_of(container: dict[str, Any]) -> dict[str, list[str]]:
    """Return the command lines of a container's steps by their names; of any other its own."""
    if not step_chain.is_chain(container["name"]):
        return {container["name"]: container["command"]}
    words = container["command"][4:]
    steps = {}
    while words:
        end = 2 + int(words[1])
        steps[words[0]] = words[2:end]
        words = words[end:]
    return steps


def step_names(job: dict[str, Any]) -> list[list[str]]:
    """Return the names of the steps of each container."""
    return [list(steps_of(container)) for container in containers_of(job)]

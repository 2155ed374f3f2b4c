"""Jobs on repositories that run nowhere and complete."""

from typing import Any

from kronkeep_daemon.jobs.outcome import ContainerResult, FinishedJob

REPOSITORY_ID = "0123456789abcdef" * 4


CONFIG = f'{{"version": 2, "id": "{REPOSITORY_ID}"}}\n'.encode()


class Jobs:
    """Jobs that complete, whose lists print `lines`."""

    def __init__(self, *lines: bytes) -> None:
        self.lines = lines
        self.steps: list[list[tuple[str, list[str]]]] = []

    async def run(self, _name: str, steps: Any, _repository: Any, _seconds: float, *, on_line: Any) -> Any:
        self.steps.append(steps)
        for line in self.lines if on_line else ():
            on_line("snapshots", line)
        logs = {"repository": CONFIG}
        containers = tuple(
            ContainerResult(name=name, exit_code=0, log=logs.get(name, b"")) for name, _ in steps
        )
        return FinishedJob(complete=True, reason="", message="", containers=containers, pod="p")

"""One container of a pod: it waits for its configuration, runs, and is restarted where its pod says so.

Implemented: command, args, env, envFrom, volumeMounts and workingDir; the waiting reasons
CreateContainerConfigError, CreateContainerError, ErrImagePull, ImagePullBackOff and CrashLoopBackOff;
restarts with restartPolicy OnFailure of a pod and Always of an init container (a native sidecar), the first
at once, the next after 10 s, doubling to 5 min; terminationMessagePolicy FallbackToLogsOnError.

Not implemented: what images set (entrypoint, user, working directory); restartPolicy Always of a pod; probes
and lifecycle hooks (a sidecar's startupProbe too: it has started when its process runs); a message in
terminationMessagePath; resources. Which images there are says `image_folder`, which users `container_user`.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import NamedTuple

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_daemon.embedded.agent import sandbox
from kronkeep_daemon.embedded.agent.container_process import NOT_STARTED, ContainerProcess, LogWriter
from kronkeep_daemon.embedded.agent.container_user import ContainerUser, find_user
from kronkeep_daemon.embedded.agent.environment import (
    ConfigMissing,
    expand_references,
    resolve_environment,
)
from kronkeep_daemon.embedded.agent.image_folder import ImageFolder
from kronkeep_daemon.embedded.agent.pod_api import PodApi
from kronkeep_daemon.embedded.agent.pod_status import PodStatusWriter, is_sidecar
from kronkeep_daemon.embedded.agent.volumes import PodVolumes
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.kube.timestamps import format_timestamp

OpenLog = Callable[[JsonObject, str, int], LogWriter]
RETRY_SECONDS = 2.0
FIRST_RESTART_SECONDS = 10.0
LONGEST_RESTART_SECONDS = 300.0


class StopRequest:
    """The wish that a pod ends; its containers wait no longer and are not restarted."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._event = asyncio.Event()

    def set(self) -> None:
        """Ask for the end."""
        self._event.set()

    def is_set(self) -> bool:
        """Whether the end has been asked for."""
        return self._event.is_set()

    async def pause(self, seconds: float) -> None:
        """Wait, but no longer than until the end is asked for."""
        await self.end_with(self._clock.sleep(seconds))

    async def end_with(self, work: Coroutine[None, None, object]) -> None:
        """Wait for `work`, but no longer than until the end is asked for; it is cancelled then."""
        waits = [asyncio.ensure_future(work), asyncio.ensure_future(self._event.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()


class PodContext(msgspec.Struct, frozen=True, kw_only=True):
    """What the containers of one pod share.

    open_log: returns the writer for a container's output.
    start_delay: how many seconds a container waits before it starts; a kubelet takes one or two.
    """

    pod: JsonObject
    api: PodApi
    status: PodStatusWriter
    volumes: PodVolumes
    images: ImageFolder
    open_log: OpenLog
    clock: Clock
    stop: StopRequest
    start_delay: float = 0.0


class StartCommand(NamedTuple):
    """What a container is started with."""

    argv: list[str]
    environment: dict[str, str]
    user: ContainerUser


class ContainerRunner:
    """One container of a pod, run to its end with restarts; a native sidecar runs until it is stopped.

    `field` is the list of the pod's status that the container is in.
    """

    def __init__(self, context: PodContext, container: JsonObject, field: str) -> None:
        self._context = context
        self._container = container
        self._field = field
        self.is_sidecar = is_sidecar(container)
        self._process: ContainerProcess | None = None
        self._restarts = 0
        self._stop = StopRequest(context.clock)
        self._started = asyncio.Event()

    async def run(self) -> int:
        """Run the container until it has ended for good; return its last exit code."""
        pause = 0.0
        while True:
            code = await self._run_once()
            if not self._restarts_after(code):
                return code
            if pause:
                await self._wait_for_restart(pause)
            pause = min(max(FIRST_RESTART_SECONDS, pause * 2), LONGEST_RESTART_SECONDS)
            self._restarts += 1  # with the start of the next instance, as a kubelet counts

    async def stop(self, grace_seconds: float) -> None:
        """End the container for good: SIGTERM, and SIGKILL after `grace_seconds`."""
        self._stop.set()
        if self._process is not None:
            await self._process.stop(grace_seconds)

    async def wait_until_started(self) -> None:
        """Return once the process has run for the first time, or the pod is being ended."""
        await self._context.stop.end_with(self._started.wait())

    def _restarts_after(self, code: int) -> bool:
        """Whether the container is started again after an end with that exit code."""
        if self._stop.is_set() or self._context.stop.is_set():
            return False
        return self.is_sidecar or (
            code != 0 and self._context.pod["spec"].get("restartPolicy") == "OnFailure"
        )

    async def _wait_for_restart(self, seconds: float) -> None:
        meta = self._context.pod["metadata"]
        pod = f"{meta['name']}_{meta['namespace']}({meta['uid']})"
        message = f"back-off {seconds:.0f}s restarting failed container={self._container['name']} pod={pod}"
        await self._set_waiting("CrashLoopBackOff", message)
        await self._stop.pause(seconds)

    async def _run_once(self) -> int:
        start = await self._wait_for_start_command()
        if start is None or not await self._wait_for_start_delay():
            return NOT_STARTED
        output = self._context.open_log(self._context.pod, self._container["name"], self._restarts)
        command = sandbox.build_command(
            start.argv,
            root=self._image_root(),
            mounts=self._context.volumes.mounts_of(self._container),
            working_folder=self._container.get("workingDir") or "/",
            hostname=start.environment["HOSTNAME"],
            user=start.user,
        )
        # Known before it runs, so that a stop which comes during the status write is not lost.
        process = ContainerProcess(command, start.environment, output)
        self._process = process
        started_at = format_timestamp(self._context.clock.now())
        await self._set_state({"running": {"startedAt": started_at}})
        self._started.set()
        try:
            code = await process.run()
        except OSError as fault:
            await output.write(f"{fault}\n".encode(), final=True)
            code = NOT_STARTED
        await self._set_state({"terminated": self._build_end(code, started_at, process.tail)})
        return code

    async def _wait_for_start_delay(self) -> bool:
        """Wait as long as a container takes to start; return whether the pod is not being ended."""
        if not self._context.start_delay:
            return True
        await self._context.stop.pause(self._context.start_delay)
        return not self._context.stop.is_set()

    def _image_root(self) -> sandbox.ImageRoot | None:
        """Return the root of the container's image; None where it sees this machine's own programs."""
        folder = self._context.images.root_of(self._container["image"])
        if folder is None:
            return None
        security = self._container.get("securityContext") or {}
        return sandbox.ImageRoot(folder, read_only=bool(security.get("readOnlyRootFilesystem")))

    def _build_end(self, code: int, started_at: str, tail: bytes) -> JsonObject:
        end: JsonObject = {"exitCode": code, "reason": "Completed" if code == 0 else "Error"}
        if code and self._container.get("terminationMessagePolicy") == "FallbackToLogsOnError":
            end["message"] = tail.decode(errors="replace")
        if 128 < code < 160:
            end["signal"] = code - 128
        return end | {"startedAt": started_at, "finishedAt": format_timestamp(self._context.clock.now())}

    async def _wait_for_start_command(self) -> StartCommand | None:
        """Return what to start; meanwhile the status says what is missing. None when the pod is ended."""
        attempts = 0
        while not self._stop.is_set() and not self._context.stop.is_set():
            environment: dict[str, str] = {}
            user: ContainerUser | None = None
            try:
                user = find_user(self._context.pod, self._container)
                environment = await resolve_environment(
                    self._context.pod, self._container, self._context.api.fetch_object
                )
                waiting = self._find_pull_fault(attempts)
            except ConfigMissing as missing:
                waiting = ("CreateContainerConfigError", str(missing))
            argv = [*(self._container.get("command") or []), *(self._container.get("args") or [])]
            if waiting is None and argv and user is not None:
                words = [expand_references(word, environment) for word in argv]
                return StartCommand(words, environment, user)
            if waiting is None:
                message = "no command specified: images here have none, so a container needs its command"
                waiting = ("CreateContainerError", message)
            attempts += 1
            await self._set_waiting(*waiting)
            await self._stop.pause(RETRY_SECONDS)
        return None

    def _find_pull_fault(self, attempts: int) -> tuple[str, str] | None:
        """Return why the image cannot be pulled; the failure and the back-off alternate, as a kubelet's."""
        image = self._container["image"]
        fault = self._context.images.find_pull_fault(image)
        if not fault:
            return None
        if attempts % 2:
            return "ImagePullBackOff", f'Back-off pulling image "{image}": ErrImagePull: {fault}'
        return "ErrImagePull", fault

    async def _set_waiting(self, reason: str, message: str) -> None:
        await self._set_state({"waiting": {"reason": reason, "message": message}})

    async def _set_state(self, state: JsonObject) -> None:
        await self._context.status.set_state(
            self._field, self._container["name"], state, restarts=self._restarts
        )

"""kubectl as a process."""

import asyncio
import os
from pathlib import Path

from tests.waiting import LONGEST_WAIT


class Kubectl:
    """One kubectl program with its own cache, on one cluster."""

    def __init__(self, program: str, kubeconfig: Path, folder: Path) -> None:
        self._argv = (program, "--kubeconfig", str(kubeconfig), "--cache-dir", str(folder / "cache"))
        self._environment = {**os.environ, "HOME": str(folder), "KUBECTL_EXTERNAL_DIFF": "diff -u"}
        self._folder = folder

    async def start(self, *argv: str) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            *self._argv, *argv, stdout=pipe, stderr=pipe, env=self._environment
        )

    async def __call__(self, *argv: str, code: int = 0) -> str:
        """Return what a command prints, or its errors where it must end with another code than 0."""
        process = await self.start(*argv)
        out, error = await asyncio.wait_for(process.communicate(), LONGEST_WAIT)
        assert process.returncode == code, (argv, out.decode(), error.decode())
        return out.decode() if code == 0 else error.decode()

    def write_manifest(self, text: str) -> str:
        """Write a manifest and return its path."""
        path = self._folder / "manifest.yaml"
        path.write_text(text)
        return str(path)

"""Debian's prometheus and promtool, where they are installed; a Prometheus that scrapes one address."""

import asyncio
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="prometheus is not installed"
)
CONFIGURATION = """
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
  - job_name: kronkeep
    static_configs: [{targets: ["127.0.0.1:%d"]}]
"""


def run_promtool(*arguments: str, text: bytes = b"") -> str:
    """Return what promtool prints; fail where it finds a fault."""
    done = subprocess.run(["promtool", *arguments], input=text, capture_output=True, check=False)
    printed = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, printed
    return printed


class PrometheusServer:
    """A running Prometheus, asked over its API."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/api/v1/query"

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the result of an instant query; nothing while the server does not answer yet."""
        try:
            async with httpx.AsyncClient(timeout=10) as client:
                answer = await client.get(self._url, params={"query": expression})
        except httpx.TransportError:
            return []
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:  # it listens and is not ready
            return []
        result: list[dict[str, Any]] = answer.json()["data"]["result"]
        return result

    async def value(self, expression: str) -> float | None:
        """Return the value of the only series of a query; None where there is none."""
        result = await self.query(expression)
        return float(result[0]["value"][1]) if result else None


@asynccontextmanager
async def prometheus_of(folder: Path, target_port: int) -> AsyncIterator[PrometheusServer]:
    """Yield a Prometheus that scrapes an address of this machine every second."""
    configuration = folder / "prometheus.yml"
    configuration.write_text(CONFIGURATION % target_port)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        "prometheus",
        f"--config.file={configuration}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield PrometheusServer(port)
    finally:
        process.terminate()
        await process.wait()

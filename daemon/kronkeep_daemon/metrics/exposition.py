"""The text of all metrics, in slices: in Prometheus' format 0.0.4, or OpenMetrics 1.0 for who asks for it."""

import asyncio
from collections.abc import AsyncIterator
from itertools import islice

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

from kronkeep_daemon.metrics.object_metrics import ObjectMetrics
from kronkeep_daemon.metrics.series_cache import SeriesCache, format_labels

PLAIN = "text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
LINES = 1000  # that are joined between two turns of the event loop: about 0.3 ms
SAMPLES = 100  # of the registry that are formatted between two turns: about 0.5 ms


def content_type(accept: str) -> str:
    """Return the format that a request's Accept header asks for."""
    return OPEN_METRICS if "application/openmetrics-text" in accept else PLAIN


class Exposition:
    """The metrics of objects and of the daemon itself."""

    def __init__(self, objects: ObjectMetrics, registry: CollectorRegistry) -> None:
        self._objects = objects
        self._registry = registry

    async def slices(self, format_name: str = PLAIN) -> AsyncIterator[bytes]:
        """Yield the text in pieces, giving way to other tasks in between."""
        await self._objects.wait_until_complete()
        is_open = format_name == OPEN_METRICS
        for cache in (self._objects.cronjobs, self._objects.copies, self._objects.storages):
            async for text in _slice_cache(cache):
                yield text
        for metric in self._registry.collect():
            await asyncio.sleep(0)
            async for text in _slice_metric(metric, is_open=is_open):
                yield text
        if is_open:
            yield b"# EOF\n"


async def _slice_cache(cache: SeriesCache) -> AsyncIterator[bytes]:
    for family in cache.families:
        head = _head(family.name, family.help, family.kind)
        for block in cache.blocks(family, LINES):
            yield f"{head}{block}".encode()
            head = ""
            await asyncio.sleep(0)


async def _slice_metric(metric: Metric, *, is_open: bool) -> AsyncIterator[bytes]:
    name = metric.name if is_open or metric.type != "counter" else f"{metric.name}_total"
    head = _head(name, metric.documentation, metric.type)
    lines = map(_line, (sample for sample in metric.samples if not sample.name.endswith("_created")))
    while block := "".join(islice(lines, SAMPLES)):
        yield f"{head}{block}".encode()
        head = ""
        await asyncio.sleep(0)


def _head(name: str, text: str, kind: str) -> str:
    return f"# HELP {name} {text}\n# TYPE {name} {kind}\n"


def _line(sample: Sample) -> str:
    labels = format_labels(sample.labels.keys(), sample.labels.values()) if sample.labels else ""
    return f"{sample.name}{labels} {_number(sample.value)}\n"


def _number(value: float) -> str:
    text: str = floatToGoString(value)  # type: ignore[no-untyped-call]
    return text

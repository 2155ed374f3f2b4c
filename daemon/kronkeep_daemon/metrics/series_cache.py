"""The series of CronJobs and storages as lines of text, so that a scrape copies and computes nothing.

Prometheus' text format wants the lines of a family together, so they are kept by family, and by object in it.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

from kronkeep_common.monitoring.metric_families import MetricFamily

Value = tuple[MetricFamily, float]
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


def format_labels(names: Iterable[str], values: Iterable[str]) -> str:
    """Return labels as the exposition formats write them, braces included."""
    pairs = (f'{name}="{value.translate(_ESCAPES)}"' for name, value in zip(names, values, strict=True))
    return f"{{{','.join(pairs)}}}"


def format_number(value: float) -> str:
    """Return a number as short as it can be read back; whole numbers without a point."""
    return str(int(value)) if value == int(value) else repr(value)


class SeriesCache:
    """The lines of objects in some families, by family and object."""

    def __init__(self, families: Sequence[MetricFamily]) -> None:
        self.families = families
        self._lines: dict[str, dict[str, str]] = {family.name: {} for family in families}

    def put(self, key: str, labels: str, values: Iterable[Value]) -> None:
        """Replace the series of an object; a family without a value has none of it any more."""
        self.put_all(key, {labels: values})

    def put_all(self, key: str, values_by_labels: Mapping[str, Iterable[Value]]) -> None:
        """Replace the series of an object that has some for each of several sets of labels, or none."""
        new: dict[str, str] = {}
        for labels, values in values_by_labels.items():
            for family, value in values:
                line = f"{family.name}{labels} {format_number(value)}\n"
                new[family.name] = new.get(family.name, "") + line
        for name, lines in self._lines.items():
            if name in new:
                lines[key] = new[name]
            else:
                lines.pop(key, None)

    def remove(self, key: str) -> None:
        """Remove the series of an object that is gone."""
        for lines in self._lines.values():
            lines.pop(key, None)

    def keep_only(self, keys: frozenset[str]) -> None:
        """Remove the series of all other objects."""
        for lines in self._lines.values():
            for key in lines.keys() - keys:
                del lines[key]

    def blocks(self, family: MetricFamily, size: int) -> Iterable[str]:
        """Yield the lines of a family in texts of `size` lines."""
        lines = iter(list(self._lines[family.name].values()))
        while block := "".join(islice(lines, size)):
            yield block

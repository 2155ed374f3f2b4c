"""The text of `status.completedIndexes`, such as `0,1` or `0-2,5`, and the set of indexes that it lists."""


def parse_ranges(text: str | None) -> list[tuple[int, int]]:
    """Return the first and the last index of each part of the text."""
    ranges = []
    for part in (text or "").split(","):
        if part:
            first, _, last = part.partition("-")
            ranges.append((int(first), int(last or first)))
    return ranges


def parse_indexes(text: str | None) -> set[int]:
    """Return the indexes that the text lists."""
    return {index for first, last in parse_ranges(text) for index in range(first, last + 1)}


def format_indexes(indexes: set[int]) -> str:
    """Return the text for a set of indexes: two neighbours are listed, three or more are a range."""
    runs: list[list[int]] = []
    for index in sorted(indexes):
        if runs and runs[-1][-1] == index - 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    return ",".join(_format_run(run) for run in runs)


def _format_run(run: list[int]) -> str:
    return f"{run[0]}-{run[-1]}" if len(run) > 2 else ",".join(map(str, run))

"""Sets of completion indexes as Kubernetes writes them: `0,1` and `0-2,5`."""


def read(text: str | None) -> set[int]:
    """The indexes of a `completedIndexes` field."""
    found: set[int] = set()
    for part in (text or "").split(","):
        if part:
            first, _, last = part.partition("-")
            found |= set(range(int(first), int(last or first) + 1))
    return found


def write(indexes: set[int]) -> str:
    """The field's text: two neighbours are listed, three or more are a range."""
    runs: list[list[int]] = []
    for index in sorted(indexes):
        if runs and runs[-1][-1] == index - 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 2 else ",".join(map(str, run)) for run in runs)

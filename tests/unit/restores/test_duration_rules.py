"""How long a restore will take: learnt from earlier ones, within a quarter of what it then takes."""

from random import Random

import pytest

from kronkeep_daemon.restores.duration_rules import RestoreTime, predict_seconds

MIB = 2**20


def took(files: int, mib: float, *, start: float = 8, a_mib: float = 0.02, a_file: float = 0.002) -> float:
    return start + mib * a_mib + files * a_file


def past_of(random: Random, count: int, **rates: float) -> list[RestoreTime]:
    past = []
    for _ in range(count):
        files = random.randrange(1, 50_000)
        mib = random.uniform(1, 20_000)
        seconds = took(files, mib, **rates) * random.uniform(0.95, 1.05)
        past.append(RestoreTime(files, int(mib * MIB), seconds))
    return past


@pytest.mark.parametrize("rates", [{}, {"a_file": 0.02}, {"a_mib": 0.2}, {"start": 90}])
@pytest.mark.parametrize("seed", range(10))
def test_the_next_restore_is_predicted_within_a_quarter(seed: int, rates: dict[str, float]) -> None:
    random = Random(seed)
    past = past_of(random, 8, **rates)
    files = random.randrange(1000, 60_000)
    mib = random.uniform(1000, 30_000)
    predicted = predict_seconds(past, files, int(mib * MIB))
    assert predicted == pytest.approx(took(files, mib, **rates), rel=0.25)


def test_drills_of_one_size_tell_the_same_size_exactly_and_a_larger_one_at_its_longest() -> None:
    past = [RestoreTime(1000, 100 * MIB, 50.0)] * 3
    assert predict_seconds(past, 1000, 100 * MIB) == pytest.approx(50)
    assert predict_seconds(past, 1000, 1000 * MIB) == pytest.approx(500)
    assert predict_seconds(past, 10_000, 100 * MIB) == pytest.approx(500)


def test_without_earlier_restores_nothing_is_predicted() -> None:
    assert predict_seconds([], 1, MIB) is None


@pytest.mark.parametrize("past", [[RestoreTime(0, 0, 0.0)], [RestoreTime(1, 0, 3.0), RestoreTime(1, 0, 9.0)]])
def test_odd_pasts_predict_something_that_is_not_negative(past: list[RestoreTime]) -> None:
    predicted = predict_seconds(past, 10, 10 * MIB)
    assert predicted is not None
    assert predicted >= 0

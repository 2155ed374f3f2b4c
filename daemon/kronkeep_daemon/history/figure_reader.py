"""Figures as they are asked for: the rows of weeks, summed over a time, by day or by week."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Literal, NamedTuple

from kronkeep_common.models.figures import Figures, FigureSubject
from kronkeep_daemon.history.figures import DAYS, NOTHING, DayFigures, WeekFigures, add
from kronkeep_daemon.history.history import History

Period = Literal["day", "week", "total"]
PAGE = 200  # rows read between two turns of the event loop


class FigureQuestion(NamedTuple):
    """Which figures are asked for: days from the first to the last, and of which subjects; None is all."""

    by: FigureSubject
    first: date
    last: date
    period: Period
    cluster: str | None = None
    namespace: str | None = None
    cronjob_id: str | None = None
    storage_id: str | None = None


async def read_figures(history: History, question: FigureQuestion) -> list[Figures]:
    """Return the figures by subject and period, the newest period first, without subjects that have none."""
    sums: dict[tuple[date, str], DayFigures] = {}
    subjects: dict[str, WeekFigures] = {}
    async for week in _read_weeks(history, question):
        name = week.id.rpartition("/")[0]
        subjects.setdefault(name, week)
        for day, figures in _days_of(week, question):
            start = _start_of(day, question)
            sums[start, name] = add(sums.get((start, name), NOTHING), figures)
    places = sorted(sums, key=lambda place: place[1])
    places.sort(key=lambda place: place[0], reverse=True)
    return [_answer(subjects[name], start, sums[start, name], question) for start, name in places]


async def _read_weeks(history: History, question: FigureQuestion) -> AsyncIterator[WeekFigures]:
    first_week = question.first - timedelta(days=question.first.weekday())
    equal = {"status": question.by, "cluster": question.cluster, "cronjob_id": question.cronjob_id}
    if question.by == "namespace":
        equal["namespace"] = question.namespace
    equal["storage_id"] = question.storage_id
    cursor: str | None = None
    while True:
        page = history.figures.newest(
            limit=PAGE, cursor=cursor, since=_midnight(first_week), until=None, **equal
        )
        for week in page.items:
            if question.by != "cronjob" or question.namespace in (None, week.owner[0]):
                yield week
        cursor = page.next_cursor
        if cursor is None:
            return
        await asyncio.sleep(0)


def _days_of(week: WeekFigures, question: FigureQuestion) -> list[tuple[date, DayFigures]]:
    monday = week.created_at.date()
    days = ((monday + timedelta(days=number), figures) for number, figures in enumerate(week.days))
    return [
        (day, DayFigures._make([*figures, *NOTHING[len(figures) :]]))
        for day, figures in days
        if any(figures) and question.first <= day <= question.last
    ]


def _start_of(day: date, question: FigureQuestion) -> date:
    if question.period == "total":
        return question.first
    return day if question.period == "day" else day - timedelta(days=day.weekday())


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _answer(week: WeekFigures, start: date, sums: DayFigures, question: FigureQuestion) -> Figures:
    lengths = {"day": 1, "week": DAYS, "total": (question.last - question.first).days + 1}
    fields = sums._asdict()
    slots = sums.runs + sums.missed
    good = sums.runs - sums.failed - sums.unknown
    return Figures(
        by=week.status,
        cluster=week.cluster,
        namespace=week.namespace or week.owner[0] or None,
        cronjob=week.owner[1] or None,
        cronjob_id=week.cronjob_id,
        storage_id=week.storage_id,
        from_at=_midnight(start),
        until_at=_midnight(start + timedelta(days=lengths[question.period])),
        seconds=fields.pop("milliseconds") / 1000,
        success=round(100 * good / slots, 2) if slots else None,
        **fields,
    )

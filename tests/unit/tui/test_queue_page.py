"""The Queue page: a paragraph for each repository, each reason once."""

from datetime import timedelta

from tests.unit.tui.page_records import NOW, queue_entry

from kronkeep_common.reasons import Reason
from kronkeep_tui.pages import queue as page


def test_a_repository_has_its_works_in_order_and_each_reason_once() -> None:
    busy = {"reason": "RepositoryBusy", "message": Reason.REPOSITORY_BUSY.meaning}
    entries = [
        queue_entry(
            "archive", namespace="shop", cronjob="second", place=2, priority="low", node="n1", **busy
        ),
        queue_entry(
            "archive", namespace="shop", cronjob="first", place=1, good_until=NOW - timedelta(1), **busy
        ),
        queue_entry("archive", "working", namespace="pay", cronjob="db"),
        queue_entry("prune", kind="exclusive", repository="another", place=1),
    ]
    texts = ["".join(text for text, _ in line) for line in page.lines(entries, NOW, 100)]
    assert texts == [
        "another",
        "     1  prune           3m  ",
        "",
        "offsite",
        "   run  archive         3m  pay/db",
        f"  {Reason.REPOSITORY_BUSY.meaning}",
        "     1  archive         3m  shop/first  overdue",
        "     2  archive         3m  shop/second  node n1, priority low",
        "",
    ]


def test_what_a_cluster_named_so_cannot_reach_the_terminal() -> None:
    (_, line, _) = page.lines([queue_entry("archive", namespace="a\x1b[2J", cronjob="\u202ejob")], NOW, 100)
    text = "".join(part for part, _ in line)
    assert "\x1b" not in text
    assert "\u202e" not in text

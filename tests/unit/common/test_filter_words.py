"""What a filter may ask of each kind of record: what none can have is refused, with what there is."""

import pytest

from kronkeep_common.api import HISTORY_TABLES, LIVE_TABLES
from kronkeep_common.errors import InvalidFilter
from kronkeep_common.filter_words import KEYS, FilterWords, NameSets
from kronkeep_common.record_filter import parse_filter

NAMES = NameSets({"ns": {"pay", "shop"}, "storage": {"vault"}, "cluster": {"prod"}, "policy": {"p1"}})


@pytest.mark.parametrize(
    ("kind", "text", "refusal"),
    [
        ("executions", "status:fialed", "No run has the status 'fialed'. Did you mean failed? There are:"),
        ("executions", "x !status:FAILED", "Did you mean failed?"),
        ("backups", "status:completed", "There are: cancelled, failed,"),
        ("executions", "trigger:manuel", "Did you mean manual?"),
        ("alerts", "severity:crit", "Did you mean critical?"),
        ("backups", "snapshot:remove", "Did you mean removed?"),
        ("alerts", "code:runfailed", "Did you mean RunFailed?"),
        ("executions", "severity:critical", "A run has no 'severity'. It has status, trigger,"),
        ("executions", "ns:shopp", "There is no namespace 'shopp'. Did you mean shop?"),
        ("backups", "storage:valut", "There is no storage 'valut'. Did you mean vault?"),
        ("executions", "cluster:test", "There is no cluster 'test'. There are: prod."),
        ("alerts", "reason:ExitCod", "No reason is 'ExitCod'. Did you mean ExitCode?"),
        ("executions", "reason:oomkilled", "No reason is 'oomkilled'. Did you mean OOMKilled?"),
        ("executions", "stauts:failed", "The filter does not know 'stauts'. Did you mean status?"),
    ],
)
def test_what_no_record_can_have_is_refused(kind: str, text: str, refusal: str) -> None:
    with pytest.raises(InvalidFilter) as refused:
        parse_filter(text, words=FilterWords((kind,), NAMES))
    assert refusal in f"{refused.value.message} {refused.value.next_step}"


@pytest.mark.parametrize(
    ("kinds", "text"),
    [
        (("executions",), "status:failed trigger:manual reason:SomeOtherPrograms ns:pay age:<1h db"),
        (("cronjobs",), "status:suspended storage:vault policy:p1"),
        (("executions", "restores"), "status:succeeded"),
        (("executions", "restores"), "status:completed"),
        (("manifests",), "status:refused"),
    ],
)
def test_what_a_record_may_have_passes(kinds: tuple[str, ...], text: str) -> None:
    parse_filter(text, words=FilterWords(kinds, NAMES))


def test_every_table_that_can_be_filtered_has_its_words() -> None:
    assert {*HISTORY_TABLES, *LIVE_TABLES} <= set(KEYS)

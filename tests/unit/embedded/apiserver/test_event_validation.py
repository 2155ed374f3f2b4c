"""Events that a real API server refuses, in its words (pkg/apis/core/validation/events.go)."""

import pytest

from kronkeep_daemon.embedded.apiserver.resources import RESOURCES
from kronkeep_daemon.embedded.apiserver.status_responses import Refusal
from kronkeep_daemon.embedded.apiserver.validation import check_object

(EVENTS,) = (resource for resource in RESOURCES if resource.kind == "Event")


@pytest.mark.parametrize(
    ("namespace", "involved", "is_refused"),
    [
        ("evil", "evil", False),
        ("evil", "shop", True),
        ("evil", "", True),
        ("default", "", False),  # of an object without a namespace, such as a node
        ("default", "shop", True),
    ],
)
def test_an_event_is_about_an_object_of_its_own_namespace(
    namespace: str, involved: str, is_refused: bool
) -> None:
    event = {
        "metadata": {"name": "e", "namespace": namespace},
        "involvedObject": {"namespace": involved} if involved else {},
    }
    if not is_refused:
        check_object(EVENTS, event, None)
        return
    with pytest.raises(Refusal) as refused:
        check_object(EVENTS, event, None)
    (cause,) = refused.value.body["details"]["causes"]
    assert cause["field"] == "involvedObject.namespace"
    assert cause["message"] == f'Invalid value: "{involved}": does not match event.namespace'

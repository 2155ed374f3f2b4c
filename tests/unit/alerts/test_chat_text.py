"""What a tenant writes calls nobody in a chat and is no link there."""

from datetime import UTC, datetime

import pytest

from kronkeep_common.models import Alert
from kronkeep_common.states import AlertStatus
from kronkeep_daemon.alerts.channels import AlertMessage
from kronkeep_daemon.alerts.chat_text import neutralise, quote

NOW = datetime(2026, 11, 30, tzinfo=UTC)
CALLS = [
    "@everyone the backup is fine",
    "mail x@here",
    "<!channel> look",
    "<!subteam^S1|all>",
    "<@U024BE7LH>",
    "<users/all>",
    "<at>ops</at>",
    "[click](https://evil.example)",
    "<https://evil.example|our page>",
    "![x](http://evil.example/pixel.png)",
    "see https://evil.example/login",
    "`ends`code` **bold**",
    "@room\n# heading",
]


@pytest.mark.parametrize("text", CALLS)
def test_no_character_stays_that_a_chat_acts_on(text: str) -> None:
    neutral = neutralise(text)
    assert not set("@<>[]`*\n") & set(neutral)
    assert "://" not in neutral
    assert len(neutral) == len(text)


def test_plain_words_stay_as_they_are() -> None:
    text = "Container main ended with exit code 3: disk full (sda1), 10 % left; see /var/log/x_y-z.log"
    assert neutralise(text) == text
    assert quote(text) == f"> {text}"


@pytest.mark.parametrize("event", ["opened", "repeated", "resolved"])
@pytest.mark.parametrize("text", CALLS)
def test_a_message_quotes_what_may_be_a_tenants(event: str, text: str) -> None:
    alert = Alert(
        id="a",
        code="RunFailed",
        severity="warning",
        status=AlertStatus.OPEN,
        kind="cronjob",
        object=f"shop/{text}",
        object_id="o",
        since=NOW,
        created_at=NOW,
        message=f"The newest run failed. {text}",
        next_step=f"Read {text}.",
    )
    message = AlertMessage(id="m", event=event, alert=alert, others=(alert,))  # type: ignore[arg-type]
    whole = f"{message.title}\n{message.text}"
    lines = message.text.splitlines()
    assert lines[0].startswith("> The newest run failed. ")
    assert not set("@<[]`*") & set(whole)
    assert all(">" not in line for line in [message.title, *lines[1:]])
    assert "://" not in whole

"""Silences, acknowledgements and what was sent, over restarts and between daemons of one cluster."""

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from tests.integration.alerts.alert_scene import WELL, ConfigMapCluster, Receiver, channel, daemon

from kronkeep_common.errors import InvalidFilter, NotAllowedNow, SilenceNotFound
from kronkeep_common.models import SilenceRequest
from kronkeep_common.states import AlertStatus
from kronkeep_daemon.alerts.shared_state import SharedState
from kronkeep_daemon.kube.errors import Forbidden


async def test_what_another_daemon_has_not_sent_when_it_goes_away_is_sent_here(
    tmp_path: Path, receiver: Receiver
) -> None:
    cluster = ConfigMapCluster()
    ops = channel(tmp_path, receiver.url)
    async with (
        daemon(tmp_path / "a", ops, cluster=cluster) as leader,
        daemon(tmp_path / "b", ops, cluster=cluster) as other,
    ):
        other.stands_by = True
        await leader.service.evaluate()
        await leader.wait_until_sent()
        await leader.exchange()
        await other.exchange()
        await other.service.evaluate()
        other.number = 2
        await other.service.evaluate()
        assert (len(other.service.active_alerts()), receiver.events) == (2, ["opened"])
        other.stands_by = False
        await other.service.evaluate()
        await other.wait_until_sent()
        other.cronjob = WELL
        await other.service.evaluate()
        await other.wait_until_sent()
    assert receiver.events == ["opened", "opened", "resolved", "resolved"]
    assert [message["alert"]["object"] for message in receiver.messages[:2]] == ["shop/dump", "shop/dump1"]


async def test_where_nothing_is_shared_another_daemon_has_sent_after_a_minute(
    tmp_path: Path, receiver: Receiver
) -> None:
    cluster = ConfigMapCluster()
    cluster.refusal = Forbidden("No.")
    async with daemon(tmp_path, channel(tmp_path, receiver.url), cluster=cluster) as it:
        await it.exchange()
        it.stands_by = True
        await it.service.evaluate()
        it.clock.ahead = timedelta(seconds=61)
        await it.service.evaluate()
        it.stands_by = False
        await it.service.evaluate()
        assert not it.supervisor.running("alert channel ops")
        it.cronjob = WELL
        await it.service.evaluate()
        await it.wait_until_sent()
    assert receiver.events == ["resolved"]


async def test_a_silence_holds_back_and_ends_by_itself_over_a_restart(
    tmp_path: Path, receiver: Receiver
) -> None:
    ops = channel(tmp_path, receiver.url)
    request = SilenceRequest(filter="ns:shop code:PolicyInvalid", for_seconds=3600, because="an upgrade")
    async with daemon(tmp_path, ops) as first:
        silence = await first.service.silences.create(request, "eve")
        first.number = 2
        await first.service.evaluate()
        assert [alert.silence_id for alert in first.service.active_alerts()] == [silence.id] * 2
        assert not first.supervisor.running("alert channel ops")
        (view,) = first.service.silence_views([silence])
        assert (view.status, view.alerts) == ("active", 2)
    async with daemon(tmp_path, ops) as second:
        await second.service.evaluate()  # one of the two problems ends while it is silenced
        assert len(second.service.active_alerts()) == 1
        second.clock.ahead = timedelta(seconds=3601)
        assert second.service.silences.active() == []
        await second.service.evaluate()
        await second.wait_until_sent()
        (alert,) = second.service.active_alerts()
        assert alert.silence_id is None
    assert [message["alert"]["object"] for message in receiver.messages] == ["shop/dump"]
    assert receiver.events == ["opened"]


async def test_a_silence_that_is_ended_lets_what_is_wrong_through(tmp_path: Path, receiver: Receiver) -> None:
    async with daemon(tmp_path, channel(tmp_path, receiver.url)) as it:
        request = SilenceRequest(filter="severity:critical", for_seconds=3600, because="a test")
        silence = await it.service.silences.create(request, "eve")
        await it.service.evaluate()
        await it.service.silences.end(silence.id, "bob")
        await it.service.evaluate()
        await receiver.wait_for(lambda: receiver.events == ["opened"])
        with pytest.raises(NotAllowedNow):
            await it.service.silences.end(silence.id, "bob")
        with pytest.raises(SilenceNotFound):
            await it.service.silences.end("none", "bob")


async def test_what_ends_while_it_is_silenced_is_sent_when_the_silence_ends(
    tmp_path: Path, receiver: Receiver
) -> None:
    async with daemon(tmp_path, channel(tmp_path, receiver.url)) as it:
        await it.service.evaluate()
        await it.wait_until_sent()
        request = SilenceRequest(filter="dump", for_seconds=3600, because="a test")
        await it.service.silences.create(request, "eve")
        await it.service.evaluate()
        it.cronjob = WELL
        await it.service.evaluate()
        assert receiver.events == ["opened"]
        it.clock.ahead = timedelta(hours=2)
        await it.service.evaluate()
        await it.wait_until_sent()
    assert receiver.events == ["opened", "resolved"]


async def test_acknowledgements_and_silences_are_known_to_every_daemon(tmp_path: Path) -> None:
    cluster = ConfigMapCluster()
    async with daemon(tmp_path / "a", cluster=cluster) as one, daemon(tmp_path / "b", cluster=cluster) as two:
        for it in (one, two):
            it.number = 2
            await it.service.evaluate()
        known = await one.service.acknowledge(one.service.active_alerts()[0].id, "eve")
        request = SilenceRequest(filter="name:dump", for_seconds=3600, because="a test")
        silence = await one.service.silences.create(request, "eve")
        for it in (one, two):
            await it.exchange()
        await two.service.evaluate()
        heard = {alert.object: alert for alert in two.service.active_alerts()}
        assert {alert.silence_id for alert in heard.values()} == {silence.id}
        by_eve = [alert for alert in heard.values() if alert.acknowledged_by == "eve"]
        assert [(alert.object, alert.status) for alert in by_eve] == [
            (known.object, AlertStatus.ACKNOWLEDGED)
        ]
        await two.service.silences.end(silence.id, "bob")
        for it in (two, one):
            await it.exchange()
        await one.service.evaluate()
        assert one.service.silences.get(silence.id).ended_by == "bob"
        assert {alert.silence_id for alert in one.service.active_alerts()} == {None}


async def test_a_silence_with_a_filter_of_a_later_version_stops_no_alert(
    tmp_path: Path, receiver: Receiver
) -> None:
    async with daemon(tmp_path, channel(tmp_path, receiver.url)) as it:
        request = SilenceRequest(filter="ns:none", for_seconds=3600, because="a test")
        silence = await it.service.silences.create(request, "eve")
        unknown = msgspec.structs.replace(silence, id="later", filter="colour:red")
        it.shared.all()[0].change(SharedState(silences={"later": unknown}))
        await it.service.evaluate()
        await it.wait_until_sent()
        views = it.service.silence_views(it.service.silences.newest())
        assert {view.id: view.alerts for view in views} == {silence.id: 0, "later": 0}
    assert receiver.events == ["opened"]


async def test_a_silence_holds_back_what_its_lines_say_and_never_all(tmp_path: Path) -> None:
    async with daemon(tmp_path) as it:
        lines = SilenceRequest(filter="!ns:shop\n!ns:bank\t", for_seconds=3600, because="a test")
        silence = await it.service.silences.create(lines, "eve")
        await it.service.evaluate()
        (view,) = it.service.silence_views([silence])
        assert (view.filter, view.alerts) == ("!ns:shop !ns:bank", 0)
        with pytest.raises(InvalidFilter):
            await it.service.silences.create(msgspec.structs.replace(lines, filter=" \n"), "eve")


async def test_channels_are_sent_what_their_filters_select(tmp_path: Path, receiver: Receiver) -> None:
    shop = channel(tmp_path, receiver.url, filter="ns:shop !code:RunFailed")
    bank = channel(tmp_path, receiver.url, name="bank", filter="ns:bank")
    async with daemon(tmp_path, shop, bank) as it:
        await it.service.evaluate()
        assert {notice["channel"] for notice in it.history.table("notices").all()} == {"ops"}

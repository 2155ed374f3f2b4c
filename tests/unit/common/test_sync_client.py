"""The blocking client has every call of the asynchronous one; its connections end."""

import inspect
import socket
import threading
from pathlib import Path

import pytest

from kronkeep_common.client import Client, SyncClient
from kronkeep_common.client.sync_client import Blocking, BlockingCall, BlockingStream
from kronkeep_common.errors import CronJobNotFound, DaemonUnreachable

OWN = {"close", "pause", "for_cluster"}

NOBODY = Path("/nonexistent/api.sock")  # so that no demo of this machine is looked for


def resources(client: object) -> dict[str, object]:
    """The public attributes of a client that have calls of their own."""
    return {name: value for name, value in vars(client).items() if name[0] != "_" and name != "wrapped"}


def test_every_resource_and_call_is_there_under_the_same_name() -> None:
    blocking = SyncClient(NOBODY)
    plain = Client(NOBODY)
    assert resources(blocking).keys() == resources(plain).keys()
    pairs = [(plain, blocking)]
    pairs += [(getattr(plain, name), getattr(blocking, name)) for name in resources(plain)]
    for one, other in pairs:
        assert isinstance(other, Blocking)
        kind = type(one)
        calls = {n for n, _ in inspect.getmembers(kind, inspect.iscoroutinefunction) if n[0] != "_"} - OWN
        streams = {n for n, _ in inspect.getmembers(kind, inspect.isasyncgenfunction) if n[0] != "_"}
        members = vars(type(other)).items()
        assert {n for n, m in members if isinstance(m, BlockingCall)} == calls
        assert {n for n, m in members if isinstance(m, BlockingStream)} == streams


def answer_once(path: Path, answer: bytes) -> threading.Thread:
    """A server of one connection that closes it after the answer."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen()

    def serve() -> None:
        with listening, listening.accept()[0] as connection:
            connection.recv(65536)
            connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def test_a_stream_gives_its_items_until_it_ends(tmp_path: Path) -> None:
    event = b'data: {"seq":1,"table":"backups","id":"b","op":"put"}\n\n'
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    server = answer_once(tmp_path / "s", head + event * 3)
    assert [found.id for found in SyncClient(tmp_path / "s").events()] == ["b"] * 3
    server.join()


def test_problems_and_broken_answers_are_kronkeep_s_errors(tmp_path: Path) -> None:
    body = (
        b'{"type":"x","title":"x","status":404,"detail":"none","code":"CronJobNotFound",'
        b'"next_step":"look","retryable":false}'
    )
    head = b"HTTP/1.1 404 Not Found\r\nContent-Length: " + str(len(body)).encode() + b"\r\n\r\n"
    server = answer_once(tmp_path / "a", head + body)
    with pytest.raises(CronJobNotFound):
        SyncClient(tmp_path / "a").cronjobs.get("a", "b")
    server.join()
    server = answer_once(tmp_path / "b", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}")
    with pytest.raises(DaemonUnreachable):
        SyncClient(tmp_path / "b").snapshot()
    server.join()

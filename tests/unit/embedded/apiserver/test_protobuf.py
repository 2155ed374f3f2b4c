"""Protobuf bodies: kubectl's are decoded, broken ones are refused, and no field is lost silently."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kronkeep_daemon.embedded.apiserver.protobuf import MAGIC, decode_object
from kronkeep_daemon.embedded.apiserver.protobuf_wire import decode_signed, encode_message, read_fields
from kronkeep_daemon.embedded.apiserver.status_responses import Refusal


def wrap(kind: str, raw: bytes, version: str = "v1") -> bytes:
    return MAGIC + encode_message((1, encode_message((1, version), (2, kind))), (2, raw))


def test_empty_arguments_are_kept_and_gos_empty_fields_are_dropped() -> None:
    container = encode_message((1, "c"), (2, "busybox"), (3, "sh"), (3, ""), (5, ""), (16, False), (17, True))
    pod = encode_message((2, container), (3, "Never"), (6, ""), (11, False))
    meta = encode_message((1, "j"), (2, ""), (11, encode_message((1, "a"), (2, "b"))), (8, encode_message()))
    job = encode_message(
        (1, meta),
        (2, encode_message((6, encode_message((1, encode_message()), (2, pod))), (10, False))),
        (3, encode_message()),
    )
    expected = {"name": "c", "image": "busybox", "command": ["sh", ""], "stdinOnce": True}
    assert decode_object(wrap("Job", job, "batch/v1")) == {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "j", "labels": {"a": "b"}},
        "spec": {
            "template": {"spec": {"containers": [expected], "restartPolicy": "Never"}},
            "suspend": False,
        },
    }


def test_bytes_are_base64_and_maps_are_maps() -> None:
    secret = encode_message(
        (2, encode_message((1, "k"), (2, b"\xff\x00"))), (4, encode_message((1, "s"), (2, "text")))
    )
    decoded = decode_object(wrap("Secret", secret))
    assert (decoded["data"], decoded["stringData"]) == ({"k": "/wA="}, {"s": "text"})


def test_negative_numbers_are_sent_as_64_bits() -> None:
    assert (
        decode_signed(next(v for _, v in read_fields(b"\x08" + b"\xff" * 9 + b"\x01") if isinstance(v, int)))
        == -1
    )


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{}", 400),
        (MAGIC, 400),
        (wrap("Deployment", b""), 415),
        (wrap("Secret", encode_message((99, "x"))), 415),
        (wrap("Secret", b"\x0a\xff"), 400),
        (wrap("Secret", b"\x08\x01"), 400),
    ],
)
def test_a_body_that_cannot_be_decoded_is_refused(body: bytes, code: int) -> None:
    with pytest.raises(Refusal) as refusal:
        decode_object(body)
    assert refusal.value.code == code


@given(st.sampled_from(["Job", "Secret", "Namespace", "DeleteOptions"]), st.binary(max_size=200))
def test_no_bytes_crash_the_decoder(kind: str, raw: bytes) -> None:
    with contextlib.suppress(Refusal):
        decode_object(wrap(kind, raw))
    with contextlib.suppress(Refusal):
        decode_object(MAGIC + raw)

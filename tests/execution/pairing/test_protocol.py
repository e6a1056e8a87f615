"""Messages between a gate and its workers: whatever arrives is a message or an error, and nothing hangs."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench_core.execution.pairing import protocol
from bench_core.execution.pairing.protocol import Channel, Link, ProtocolError

json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def received(data, count=1):
    """What a channel makes of bytes after which the other end is closed."""
    reads, writes = os.pipe()
    os.write(writes, data)
    os.close(writes)
    _, unused = os.pipe()
    channel = Channel(reads, unused)
    try:
        return [channel.receive(5.0) for _ in range(count)]
    finally:
        channel.close()
        os.close(_)


@given(st.lists(st.dictionaries(st.text(), json_values, max_size=4), min_size=1, max_size=4))
def test_messages_arrive_in_order_as_they_were_sent(messages):
    reads, writes = os.pipe()
    channel = Channel(reads, writes)
    try:
        for message in messages:
            channel.send(message)
        assert [channel.receive(5.0) for _ in messages] == messages
    finally:
        channel.close()


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_an_error(data):
    try:
        (message,) = received(data)
    except ProtocolError:
        return
    assert message == json.loads(data.partition(b"\n")[0])


def test_silence_is_a_timeout():
    reads, writes = os.pipe()
    channel = Channel(reads, writes)
    os.write(writes, b'{"half": ')
    with pytest.raises(TimeoutError):
        channel.receive(0.01)
    os.write(writes, b"1}\n")
    assert channel.receive(0.01) == {"half": 1}
    channel.close()


def test_a_line_without_end_is_no_message(monkeypatch):
    monkeypatch.setattr(protocol, "LONGEST", 50)
    with pytest.raises(ProtocolError, match="not a message"):
        received(b"x" * 100)


def test_a_closed_end_is_an_error():
    reads, writes = os.pipe()
    os.close(reads)
    other, unused = os.pipe()
    channel = Channel(other, writes)
    with pytest.raises(ProtocolError, match="has ended"):
        channel.send({"a": 1})
    channel.close()
    os.close(unused)


@given(st.integers(0, 99), st.integers(0, 99), st.none() | st.text())
def test_a_link_survives_the_environment(reads, writes, avoid):
    link = Link(reads, writes, avoid)
    assert Link.decode(link.encode()) == link

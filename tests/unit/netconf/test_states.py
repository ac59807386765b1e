"""The state table, walked whole: each message of each side in each state of both sides."""

from __future__ import annotations

import pytest

from cryptomap.netconf.states import TRANSITIONS, Message, Role, SessionState, State, Violation

STORIES = [
    ([("c", "hello"), ("s", "hello"), ("c", "rpc"), ("s", "rpc-reply")], "1.1"),
    ([("s", "hello"), ("c", "hello"), ("c", "rpc"), ("c", "rpc"), ("s", "rpc-reply"), ("s", "notification")], "1.1"),
    ([("s", "hello"), ("c", "hello"), ("c", "malformed message"), ("s", "rpc-reply"), ("c", "rpc")], "1.1"),
    ([("s", "hello"), ("c", "hello"), ("c", "too big message"), ("s", "rpc-reply"), ("s", "end of the stream")], "1.0"),
    ([("s", "hello"), ("c", "hello"), ("c", "end of the stream"), ("s", "rpc-reply")], "1.0"),
    ([("c", "end of the stream"), ("c", "end of the stream"), ("s", "hello")], None),
]

REFUSED = [
    ([("c", "rpc")], "1.1"),
    ([("s", "rpc-reply")], "1.1"),
    ([("c", "hello"), ("c", "rpc")], "1.1"),
    ([("s", "hello"), ("s", "notification")], "1.1"),
    ([("c", "hello"), ("c", "hello")], "1.1"),
    ([("c", "malformed message")], "1.1"),
    ([("c", "too big message")], "1.1"),
    ([("s", "hello"), ("c", "hello"), ("c", "rpc-reply")], "1.1"),
    ([("s", "hello"), ("c", "hello"), ("s", "rpc")], "1.1"),
    ([("s", "hello"), ("c", "hello"), ("s", "malformed message")], "1.1"),
    ([("s", "hello"), ("c", "hello"), ("c", "malformed message")], "1.0"),
    ([("s", "hello"), ("c", "hello"), ("c", "too big message"), ("c", "rpc")], "1.1"),
    ([("s", "hello"), ("c", "hello"), ("s", "end of the stream"), ("s", "rpc-reply")], "1.1"),
]


def play(story, base):
    state = SessionState()
    state.base = base
    for who, message in story:
        state.process(Role.CLIENT if who == "c" else Role.SERVER, Message(message))
    return state


@pytest.mark.parametrize(("story", "base"), STORIES)
def test_allowed_stories(story, base):
    play(story, base)


@pytest.mark.parametrize(("story", "base"), REFUSED)
def test_the_last_message_is_refused_and_moves_nothing(story, base):
    state = play(story[:-1], base)
    before = {role: state.of(role) for role in Role}
    who, message = story[-1]
    with pytest.raises(Violation):
        state.process(Role.CLIENT if who == "c" else Role.SERVER, Message(message))
    assert {role: state.of(role) for role in Role} == before


def test_the_table_is_complete_and_closed():
    for role in Role:
        assert set(TRANSITIONS[role]) == set(State)
        assert not TRANSITIONS[role][State.ERROR]
        assert State.OPEN not in TRANSITIONS[role][State.CLOSED].values()
        assert State.HELLO not in {to for row in TRANSITIONS[role].values() for to in row.values()}


def test_failing_is_final():
    state = play([("s", "hello"), ("c", "hello")], "1.1")
    state.fail(Role.CLIENT)
    for message in Message:
        with pytest.raises(Violation):
            state.process(Role.CLIENT, message)
    state.process(Role.SERVER, Message.REPLY)

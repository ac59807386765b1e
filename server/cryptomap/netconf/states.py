"""The state of a session, as data: who may send what, and when (RFC 6241 section 8.1, RFC 6242 section 4).

Each side of a session has a state of its own, and both ends keep both: what we sent moves our side, what we received
moves theirs. Two rules keep this file the only place to look:

1. Everything that decides whether a message is allowed lives here; ``session`` asks and obeys.
2. A (state, message) pair that is not in the table is a protocol error of the side that sent it.

On top of the table there is one fact that needs both sides: until both hellos have passed nobody knows the framing,
hence nothing but a hello may be sent. And one that needs the version: in a base:1.0 session a message that cannot be
parsed ends the session, because ``malformed-message`` exists for base:1.1 peers only (RFC 6241 appendix A).
"""

from __future__ import annotations

from enum import Enum, StrEnum

__all__ = ["TRANSITIONS", "Message", "Role", "SessionState", "State", "Violation"]


class Role(StrEnum):
    """Which end of a session somebody is."""

    CLIENT = "client"
    SERVER = "server"

    @property
    def other(self) -> Role:
        return Role.SERVER if self is Role.CLIENT else Role.CLIENT


class State(Enum):
    """What one side may do next."""

    HELLO = "has to send its hello"
    OPEN = "may send messages"
    CLOSED = "will send nothing more"
    ERROR = "broke the protocol; nothing from it is read any more"


class Message(Enum):
    """Everything one side can send, as far as the state machine cares."""

    HELLO = "hello"
    RPC = "rpc"
    REPLY = "rpc-reply"
    NOTIFICATION = "notification"
    MALFORMED = "malformed message"
    TOO_BIG = "too big message"
    END = "end of the stream"


TRANSITIONS: dict[Role, dict[State, dict[Message, State]]] = {
    Role.CLIENT: {
        State.HELLO: {Message.HELLO: State.OPEN, Message.END: State.CLOSED},
        State.OPEN: {
            Message.RPC: State.OPEN,
            Message.MALFORMED: State.OPEN,
            Message.TOO_BIG: State.ERROR,
            Message.END: State.CLOSED,
        },
        State.CLOSED: {Message.END: State.CLOSED},
        State.ERROR: {},
    },
    Role.SERVER: {
        State.HELLO: {Message.HELLO: State.OPEN, Message.END: State.CLOSED},
        State.OPEN: {Message.REPLY: State.OPEN, Message.NOTIFICATION: State.OPEN, Message.END: State.CLOSED},
        State.CLOSED: {Message.END: State.CLOSED},
        State.ERROR: {},
    },
}

_NEED_BOTH_HELLOS = frozenset({Message.RPC, Message.REPLY, Message.NOTIFICATION, Message.MALFORMED, Message.TOO_BIG})


class Violation(Exception):
    """A message that breaks the protocol; the text says how."""


class SessionState:
    """Both sides of one session. ``base`` is the negotiated protocol, "1.0" or "1.1", None before both hellos."""

    def __init__(self) -> None:
        self.base: str | None = None
        self._states = {Role.CLIENT: State.HELLO, Role.SERVER: State.HELLO}

    def of(self, role: Role) -> State:
        return self._states[role]

    def is_established(self) -> bool:
        """Both hellos have passed."""
        return State.HELLO not in self._states.values()

    def process(self, role: Role, message: Message) -> None:
        """Move the side ``role``, which sends ``message``; raise :class:`Violation` if it must not."""
        if message in _NEED_BOTH_HELLOS and not self.is_established():
            raise Violation(f"a {message.value} came before both hellos were exchanged")
        if message is Message.MALFORMED and self.base == "1.0":
            raise Violation("a malformed message ends a base:1.0 session")
        state = self._states[role]
        following = TRANSITIONS[role][state].get(message)
        if following is None:
            raise Violation(f"a {message.value} is not allowed from a {role.value} that {state.value}")
        self._states[role] = following

    def fail(self, role: Role) -> None:
        """The side ``role`` broke the protocol: there is no way back."""
        self._states[role] = State.ERROR

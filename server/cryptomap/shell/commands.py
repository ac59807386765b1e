"""The commands of the shell, as a table: what is typed, in which mode, what follows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum

from cryptomap.shell.faults import Fault
from cryptomap.shell.render import FORMS

__all__ = ["COMMANDS", "Argument", "Command", "Mode", "Rest", "commands_of"]


class Mode(StrEnum):
    """What the shell is at: looking and acting, or editing the candidate."""

    OPERATE = "operate"
    EDIT = "edit"


class Rest(Enum):
    """What follows the words of a command besides its arguments."""

    NOTHING = 0
    NODE = 1
    """A node that can be configured, perhaps none."""
    SETTING = 2
    """The same with a value."""
    SHOW = 3
    """A StarOS show command."""
    COMMAND = 4
    """A command of operate mode."""


def _any(text: str) -> str:
    return text


def _number(low: int, high: int) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not text.isdecimal() or not low <= int(text) <= high:
            raise Fault(f"'{text}' is not a number from {low} to {high}")
        return text

    return read


def _commit_or_running(text: str) -> str:
    return text if text == "running" else _number(0, 2**32 - 1)(text)


@dataclass(frozen=True, slots=True)
class Argument:
    """Something that follows. ``word`` introduces an optional one, which is a flag if it has no ``hint``; those without
    a word stand in order, those that are ``optional`` last. ``choices``: nothing else can be said."""

    name: str
    hint: str = ""
    help: str = ""
    word: str = ""
    optional: bool = False
    choices: tuple[str, ...] = ()
    read: Callable[[str], str] = _any


@dataclass(frozen=True, slots=True)
class Command:
    words: str
    help: str
    modes: tuple[Mode, ...] = (Mode.OPERATE, Mode.EDIT)
    arguments: tuple[Argument, ...] = ()
    rest: Rest = Rest.NOTHING


def commands_of(mode: Mode) -> tuple[Command, ...]:
    """What can be typed in a mode."""
    return tuple([command for command in COMMANDS if mode in command.modes])


_EDIT, _OPERATE = (Mode.EDIT,), (Mode.OPERATE,)
_COMMIT = _number(0, 2**32 - 1)
_PORT = _number(0, 65535)
_MESSAGE = Argument("message", "<text>", "A remark that the history keeps", "message")

COMMANDS = (
    Command(
        "configure",
        "Edit the candidate",
        _OPERATE,
        (Argument("exclusive", word="exclusive", help="Lock it, so that nobody else edits it"),),
    ),
    Command("show", "What StarOS shows: crypto map, qos, configuration and more", _OPERATE, rest=Rest.SHOW),
    Command("show", "The candidate here, or below a node", _EDIT, rest=Rest.NODE),
    Command("show | compare", "What the candidate changes", _EDIT),
    Command("set", "Set a leaf, or create a list entry", _EDIT, rest=Rest.SETTING),
    Command("delete", "Delete a node", _EDIT, rest=Rest.SETTING),
    Command("edit", "Go to a node", _EDIT, rest=Rest.NODE),
    Command("up", "Go to the node around this one", _EDIT),
    Command("top", "Go to the top of the configuration", _EDIT),
    Command("compare", "What the candidate changes"),
    Command("validate", "Check the candidate"),
    Command(
        "plan",
        "What a commit would do to which tunnel",
        arguments=(Argument("rollback", "<commit>", "Of a rollback to that commit", "rollback", read=_COMMIT),),
    ),
    Command(
        "commit",
        "Make the candidate running",
        arguments=(
            Argument(
                "confirmed",
                "<seconds>",
                "Go back after that time, or when the session ends, unless confirmed",
                "confirmed",
                read=_number(1, 2**32 - 1),
            ),
            _MESSAGE,
        ),
    ),
    Command("confirm", "Keep what a confirmed commit has made running"),
    Command("cancel", "Go back to before the confirmed commit that waits"),
    Command("discard", "Make the candidate what running is"),
    Command(
        "history",
        "List the commits, or tell what one of them changed or two of them differ in",
        arguments=(
            Argument("first", "<commit>", "The number of a commit", optional=True, read=_COMMIT),
            Argument("second", "<commit>", "Another one, or running", optional=True, read=_commit_or_running),
            Argument("as", "<form>", "How to tell changes", "as", choices=FORMS),
            Argument("limit", "<number>", "How many to list", "limit", read=_number(1, 1000)),
        ),
    ),
    Command(
        "rollback",
        "Make the configuration as it was after a commit running again; shows the plan, and asks",
        arguments=(Argument("commit", "<commit>", "The number of a commit", read=_COMMIT), _MESSAGE),
    ),
    Command(
        "load staros",
        "Read StarOS configuration text into the candidate",
        arguments=(
            Argument("file", "<file>", "A file"),
            Argument("partial", word="partial", help="Take what can be taken"),
        ),
    ),
    Command(
        "trace-packet",
        "The way of a packet, and what decides each step",
        arguments=(
            Argument("context", "<context>", "The context it leaves from"),
            Argument("source-address", "<address>", "Source address"),
            Argument("destination-address", "<address>", "Destination address"),
            Argument("protocol", "<protocol>", "tcp, udp, icmp or a number; tcp if not given", "protocol"),
            Argument("source-port", "<port>", "Source port", "source-port", read=_PORT),
            Argument("destination-port", "<port>", "Destination port", "destination-port", read=_PORT),
            Argument("tos", "<0-255>", "ToS byte of the application", "tos", read=_number(0, 255)),
            Argument("vrf", "<vrf>", "VRF it is in", "vrf"),
        ),
    ),
    Command(
        "reapply",
        "Mark the SAs of a bound crypto map with the configured DSCPs",
        arguments=(
            Argument("context", "<context>", "Its context"),
            Argument("interface", "<interface>", "The interface it is bound to"),
            Argument("crypto-map", "<crypto map>", "Its name"),
        ),
    ),
    Command("do", "A command of operate mode", _EDIT, rest=Rest.COMMAND),
    Command("help", "All commands"),
    Command("exit", "Leave this mode, or the shell"),
    Command("quit", "Leave the shell"),
)

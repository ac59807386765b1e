"""The commands that talk to a running server as any NETCONF client does, and those that need no server at all.

A file per family. They share the options of :func:`connecting.connection`. What the server refuses is printed error by
error and ends with exit code 1; what cannot even be asked (no connection, a file that cannot be read) with exit code 2.

A family is imported when one of its commands is asked for, so that ``serve`` starts without the clients.
"""

from collections.abc import Mapping
from importlib import import_module

import click

__all__ = ["COMMANDS", "load_command"]

COMMANDS: Mapping[str, str] = {
    "audit": "audit",
    "backup": "storage",
    "cancel": "commit",
    "check": "text",
    "cli": "shell",
    "commit": "commit",
    "confirm": "commit",
    "discard": "commit",
    "export": "text",
    "history": "history",
    "import": "text",
    "plan": "plan",
    "reapply": "actions",
    "restore": "storage",
    "rollback": "history",
    "rotate-key": "storage",
    "show": "text",
    "trace-packet": "actions",
}
"""The family of each command, which is the file it is in."""


def load_command(name: str) -> click.Command:
    """The command of that name, one of :data:`COMMANDS`."""
    family = import_module(f"{__name__}.{COMMANDS[name]}")
    return next(item for item in vars(family).values() if isinstance(item, click.Command) and item.name == name)

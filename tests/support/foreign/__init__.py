"""NETCONF clients that others wrote, each performing the same story; ``CLIENTS`` and ``CANNOT`` are the table of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from support.foreign.libraries import ncclient, netconf_client, scrapli
from support.foreign.playbook import ansible
from support.foreign.story import Client, Step
from support.foreign.terminals import netconf_console2, yangcli

__all__ = ["CANNOT", "CLIENTS"]

CLIENTS: Final[Mapping[str, Client]] = {
    "ncclient": ncclient,
    "netconf_client": netconf_client,
    "scrapli-netconf": scrapli,
    "netconf-console2": netconf_console2,
    "yangcli": yangcli,
    "Ansible": ansible,
}
CANNOT: Final[Mapping[str, Mapping[Step, str]]] = {
    "scrapli-netconf": {"notification": "has no means to read notifications"},
    "netconf-console2": {"close": "closes by itself when its terminal ends"},
    "yangcli": {
        "confirmed-commit": "`commit` takes no parameters in yangcli 2.13",
        "cancel": "nothing to cancel",
    },
    "Ansible": {
        "notification": "netcommon has no module for notifications",
        "close": "netconf_rpc refuses `close-session`; the play's end closes the session",
    },
}
"""What a client has no way to do, and why."""

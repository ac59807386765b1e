"""Transports: bytes to and from an authenticated client, no XML. ``peer`` is what all of them offer."""

from cryptomap.transport.accounts import AccountFault, Accounts
from cryptomap.transport.gate import Limits
from cryptomap.transport.hostkey import HostKeyFault, load_host_key
from cryptomap.transport.peer import Channel, Peer, PeerLost
from cryptomap.transport.service import Service
from cryptomap.transport.ssh import SshListener
from cryptomap.transport.stdio import open_stdio

__all__ = [
    "AccountFault",
    "Accounts",
    "Channel",
    "HostKeyFault",
    "Limits",
    "Peer",
    "PeerLost",
    "Service",
    "SshListener",
    "load_host_key",
    "open_stdio",
]

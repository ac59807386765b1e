"""Log in to a cryptomapd from the command line of a sample script."""

from __future__ import annotations

import argparse
from pathlib import Path

from ncclient import manager

NS = {
    "ctx": "urn:cryptomap:yang:cryptomap-context",
    "acl": "urn:cryptomap:yang:cryptomap-acl",
    "ips": "urn:cryptomap:yang:cryptomap-ipsec",
    "app": "urn:cryptomap:yang:cryptomap-application",
    "qos": "urn:cryptomap:yang:cryptomap-qos",
    "trace": "urn:cryptomap:yang:cryptomap-trace",
}


def arguments(description: str | None) -> argparse.ArgumentParser:
    """The options every sample has."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=830)
    parser.add_argument("--user", default="admin")
    parser.add_argument("--key", type=Path, help="private key file; without it your SSH agent and defaults are tried")
    return parser


def connect(options: argparse.Namespace) -> manager.Manager:
    """A NETCONF session; use it as a context manager. The samples talk to a server on your own machine and accept any
    host key; across a network set ``hostkey_verify=True`` and keep the server's key in your known_hosts file."""
    return manager.connect(
        host=options.host,
        port=options.port,
        username=options.user,
        key_filename=str(options.key) if options.key else None,
        hostkey_verify=False,
        look_for_keys=options.key is None,
        allow_agent=options.key is None,
    )

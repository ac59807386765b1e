"""The composition root: every room is built here, once, and handed to the others as plain callables.

Start: settings -> state directory and vault -> schema (cached) -> backend (with deadlines) -> journal and datastores ->
reconcile the backend to running -> sessions -> listener -> the ready line. Stop, on SIGTERM or SIGINT: listener and
sessions end, the writer finishes what was begun, the journal closes, the backend is let go. What was committed was
durable before that.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from lxml import etree

from cryptomap import netconf
from cryptomap.daemon.settings import Settings, SettingsFault, User, parse_listen
from cryptomap.data.xml import read_config
from cryptomap.datastore.datastores import Datastores
from cryptomap.datastore.secrets import Vault
from cryptomap.datastore.statedir import StateDirectory, StateFault
from cryptomap.datastore.transaction import Origin
from cryptomap.datastore.writer import Writer
from cryptomap.errors import RpcError, RpcErrors
from cryptomap.operations import conversation
from cryptomap.operations.server import Limits, Server
from cryptomap.operations.sessions import SessionLimits
from cryptomap.schema.cache import load_cached
from cryptomap.schema.faults import SchemaFault
from cryptomap.schema.modules import default_module_names
from cryptomap.schema.nodes import Schema
from cryptomap.transport.accounts import AccountFault, Accounts
from cryptomap.transport.gate import Limits as GateLimits
from cryptomap.transport.hostkey import HostKeyFault, load_host_key
from cryptomap.transport.ssh import SshListener

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
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import asyncssh
from lxml import etree

from cryptomap import netconf
from cryptomap.audit import AuditFault, AuditLimits, AuditLog, Deed
from cryptomap.daemon import call_home, listeners, system_state
from cryptomap.daemon.audited import record_start
from cryptomap.daemon.faults import StartFault
from cryptomap.daemon.inputs import accounts_of, startup_document
from cryptomap.daemon.notify import notify
from cryptomap.daemon.schema import load_schema
from cryptomap.daemon.set_aside import ShownSetAside
from cryptomap.daemon.settings import Settings
from cryptomap.daemon.staros_text import StarosText
from cryptomap.daemon.transports import Transports, shown
from cryptomap.daemon.users import Users
from cryptomap.datastore.datastores import Datastores
from cryptomap.datastore.memory import begin_collecting
from cryptomap.datastore.password_hashes import PasswordHashes
from cryptomap.datastore.secrets import Vault
from cryptomap.datastore.statedir import StateDirectory, StateFault
from cryptomap.datastore.transaction import Origin
from cryptomap.datastore.writer import Writer
from cryptomap.errors import RpcError, RpcErrors
from cryptomap.ipsec.effects import outlook_of
from cryptomap.ipsec.gateway import Gateway
from cryptomap.ipsec.platform import Facts
from cryptomap.ipsec.scope import Policy
from cryptomap.ipsec.totals import Totals
from cryptomap.netconf.parser import ParserLimits
from cryptomap.operations.conversation import serve
from cryptomap.operations.nacm.rules import check_rules
from cryptomap.operations.notifications.replay_log import ReplayLog
from cryptomap.operations.server import Limits, Server
from cryptomap.operations.sessions import SessionLimits
from cryptomap.schema.faults import SchemaFault
from cryptomap.schema.nodes import Schema
from cryptomap.transport import subsystem
from cryptomap.transport.accounts import Accounts
from cryptomap.transport.algorithms import PROFILES
from cryptomap.transport.hostkey import HostKeyFault, load_host_key, read_host_key
from cryptomap.transport.peer import Peer
from cryptomap_backend.contract import BackendError
from cryptomap_backend.load import BackendNotFound, load
from cryptomap_backend.load import SettingsFault as BackendSettingsFault
from cryptomap_backend.supervised import Supervised

if TYPE_CHECKING:
    from cryptomap.daemon.web import Web

__all__ = ["StartFault", "run"]

log = logging.getLogger(__name__)


SWITCH_INTERVAL = 0.0002
"""Seconds a thread may keep the interpreter while others wait. The event loop waits for as long, once for each thread
that computes, whenever a system call has let one go on: under load that is for each message it sends."""

COLLECT_AFTER = 10_000
"""Container objects made before the youngest generation is looked at, which takes 2 ms, and 10 ms with the next one: so
long nobody is served."""


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises StartFault or SettingsFault if it cannot begin."""
    sys.setswitchinterval(SWITCH_INTERVAL)
    gc.set_threshold(COLLECT_AFTER, 5, 100)
    other_ways = settings.tls.client_ca is not None or settings.server.subsystem_socket is not None
    accounts = accounts_of(settings.users, other_ways=other_ways)
    transports, web = Transports(settings, accounts), _web(settings, accounts)
    startup = startup_document(settings.startup)
    try:
        asyncio.run(_serve(settings, accounts, transports, web, startup))
    except (SchemaFault, StateFault, HostKeyFault, AuditFault) as fault:
        raise StartFault(str(fault)) from fault


async def _serve(
    settings: Settings, accounts: Accounts, transports: Transports, web: Web | None, startup: etree._Element | None
) -> None:
    stop = _stop_signal()
    state = StateDirectory(settings.server.state_dir)
    state.use_reserve()
    audit = AuditLog(state.audit, AuditLimits(settings.audit.max_size, settings.audit.keep))
    vault = Vault.open(state.key_file, create=state.is_new)
    host_keys = _host_keys(settings, state)
    schema = load_schema(settings, state)
    backend = _backend(settings)
    policy = Policy(settings.policy.day1, _recovery_users(settings).__contains__)
    totals = Totals(state.path / "counters.sqlite")
    gateway = Gateway(schema, backend, vault, _facts(settings), policy, totals=totals)
    seal = PasswordHashes(schema, vault)
    users = Users(schema, accounts, _recovery_users(settings))
    writer = Writer()
    try:
        datastores = await writer.run(_datastores, schema, state, seal, gateway, users, settings, web)
        users.follow(datastores)
        gateway.attach(datastores, writer)
        await writer.run(datastores.start)
        writer.on_tick(datastores.tick)
        await writer.run(_first_configuration, datastores, startup, settings.startup)
        await writer.run(gateway.examine, datastores.running)
        begin_collecting()
        record_start(audit, datastores)
        await _hold(settings, transports, web, host_keys, datastores, writer, seal, gateway, audit, stop)
    finally:
        gateway.stop()
        writer.stop()
        backend.close()
        totals.close()
        state.keep_reserve()
        audit.close()
    log.info("stopped")


async def _hold(
    settings: Settings,
    transports: Transports,
    web: Web | None,
    host_keys: Sequence[asyncssh.SSHKey],
    datastores: Datastores,
    writer: Writer,
    seal: PasswordHashes,
    gateway: Gateway,
    audit: AuditLog,
    stop: asyncio.Event,
) -> None:
    """Serve sessions until told to stop."""
    aside = ShownSetAside(datastores.schema, settings.server.state_dir)
    server = Server(
        datastores,
        writer,
        seal=seal,
        providers={
            **gateway.providers(),
            **call_home.providers(datastores.schema, transports.call_home),
            **listeners.providers(datastores.schema, transports.open),
            **system_state.providers(datastores.schema),
            **aside.providers(),
        },
        handlers={**gateway.handlers(), **aside.handlers()},
        recovery=_recovery_users(settings),
        groups=lambda name: settings.users[name].groups if name in settings.users else (),
        limits=_limits(settings),
        url_directory=settings.server.url_dir,
        outlook=outlook_of(datastores.schema),
        staros=StarosText(),
        replay=ReplayLog(settings.server.state_dir / "notifications.sqlite", now=time.time()),
        announced_state=gateway.announced_state,
        witness=audit.append,
    )
    gateway.state_changed = server.subscriptions.state_changed
    datastores.subscribe(gateway.listener(server.notify))
    threading.Thread(target=gateway.listen, args=(server.notify,), name="backend-events", daemon=True).start()
    if settings.backend.drift_interval > 0:
        watch = partial(
            gateway.watch, server.notify, settings.backend.drift_interval, repairs=settings.backend.on_drift == "repair"
        )
        threading.Thread(target=watch, name="drift", daemon=True).start()

    async def on_peer(peer: Peer) -> None:
        await serve(server, peer)

    host, port = await transports.start(on_peer, host_keys, audit.append)
    if web:
        transports.open.append(await web.start(server, gateway.figures, gateway.drift.counts))
    also = f" restconf {web.url}" if web else ""
    print(f"cryptomapd ready ssh {shown(host, port)}{also}", flush=True)
    notify("READY=1", f"STATUS=serving ssh {shown(host, port)}{also}")
    await stop.wait()
    notify("STOPPING=1")
    log.info("stopping: telling %d sessions", len(server.sessions))
    if web:
        await web.stop()
    await server.stop()
    await transports.stop()
    await writer.run(datastores.close)
    audit.append(Deed("server", "stop"))


def _web(settings: Settings, accounts: Accounts) -> Web | None:
    """None if RESTCONF is off. Raises StartFault, SettingsFault."""
    if not settings.restconf.listen:
        return None
    try:
        from cryptomap.daemon.web import Web
    except ImportError as fault:
        raise StartFault(f"restconf: {fault.name} is not installed; pip install 'cryptomap[restconf]'") from fault
    return Web(settings, accounts)


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


def _host_keys(settings: Settings, state: StateDirectory) -> list[asyncssh.SSHKey]:
    """The server's own, and one of RSA if the clients of the chosen profile may know nothing else."""
    own = read_host_key(path) if (path := settings.server.host_key) else load_host_key(state.path)
    needs_rsa = PROFILES[settings.server.ssh_profile].has_rsa_host_key and own.get_algorithm() != "ssh-rsa"
    return [own, load_host_key(state.path, "ssh-rsa")] if needs_rsa else [own]


def _recovery_users(settings: Settings) -> frozenset[str]:
    """Those the settings call so, and whoever owns the subsystem's socket, unless the settings know that user."""
    named = {name for name, user in settings.users.items() if user.recovery}
    if settings.server.subsystem_socket is not None:
        named |= {subsystem.owner()} - settings.users.keys()
    return frozenset(named)


def _backend(settings: Settings) -> Supervised:
    name = settings.backend.name
    try:
        backend = load(name, settings.backend.options.get(name, {}))
    except (BackendNotFound, BackendSettingsFault, BackendError) as fault:
        raise StartFault(f"backend {name}: {fault}") from fault
    return Supervised(backend, settings.backend.deadline)


def _facts(settings: Settings) -> Facts:
    platform = settings.platform
    return Facts(platform.role, platform.product, platform.vpp, platform.crypto_hardware)


def _datastores(
    schema: Schema,
    state: StateDirectory,
    seal: PasswordHashes,
    gateway: Gateway,
    users: Users,
    settings: Settings,
    web: Web | None,
) -> Datastores:
    make = partial(Datastores, step=web.step) if web else Datastores
    datastores = make(
        schema,
        state,
        seal,
        participants=[gateway.participant],
        checks=[gateway.check, check_rules(schema), users.check],
        startup_enabled=settings.server.startup_datastore,
        writable_running=settings.server.writable_running,
    )
    if web:
        web.listen_to(datastores)
    return datastores


def _first_configuration(datastores: Datastores, startup: etree._Element | None, path: Path | None) -> None:
    """Commit the document of ``--startup`` if nothing was ever committed. Raises StartFault if it is refused."""
    if startup is None:
        return
    if datastores.head:
        log.warning("the state directory has a configuration already: %s is not used", path)
        return
    origin = Origin("cryptomapd", source=str(path), message=f"first configuration from {path}")
    try:
        datastores.edit(origin, "candidate", startup, default_operation="replace")
        datastores.commit(origin)
    except (RpcError, RpcErrors) as fault:
        errors = fault.errors if isinstance(fault, RpcErrors) else (fault,)
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise StartFault(f"startup configuration {path} is refused: {errors[0]}{more}") from fault


def _limits(settings: Settings) -> Limits:
    limits = settings.limits
    return Limits(
        sessions=SessionLimits(limits.sessions, limits.sessions_per_user, limits.sessions_per_address),
        messages=netconf.Limits(message=ParserLimits(size=limits.message_size)),
        hello_timeout=limits.hello_timeout,
        idle_timeout=limits.idle_timeout,
        message_timeout=limits.message_timeout,
        received=limits.received_memory,
        xpath_nodes=limits.xpath_nodes,
    )

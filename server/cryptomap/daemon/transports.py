"""The ways in, as the settings have them: SSH always; TLS, the subsystem of OpenSSH and call home where they are set.

All share one :class:`Service`, so the caps count the sessions of all of them together.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import asyncssh

from cryptomap.audit import Witness
from cryptomap.daemon.faults import StartFault
from cryptomap.daemon.settings import CallHome as CallHomeSettings
from cryptomap.daemon.settings import Settings, SettingsFault, parse_listen
from cryptomap.transport.accounts import Accounts
from cryptomap.transport.algorithms import PROFILES
from cryptomap.transport.callhome import Call, CallHome, CallHomeState, Endpoint
from cryptomap.transport.certificates import CertificateFault, CertToName
from cryptomap.transport.gate import Limits
from cryptomap.transport.reason import reason
from cryptomap.transport.reconnect import Strategy
from cryptomap.transport.service import Listener, OnPeer, Service
from cryptomap.transport.ssh import SshListener
from cryptomap.transport.subsystem import SubsystemFault, SubsystemListener
from cryptomap.transport.tls import TlsFault, TlsFiles, TlsListener

__all__ = ["OpenListener", "Transports", "cert_to_name", "gate_limits", "shown"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OpenListener:
    """Where clients are waited for: an address with its port, or the path of a socket of this host."""

    transport: str  # ssh | tls | subsystem | restconf
    address: str | None = None
    port: int | None = None
    path: str | None = None


class Transports:
    """Everything that can be wrong with the settings is found here, before anything starts. Raises StartFault,
    SettingsFault."""

    def __init__(self, settings: Settings, accounts: Accounts) -> None:
        self._settings = settings
        self._accounts = accounts
        self._address = parse_listen(settings.server.listen)
        self._tls_files = _tls_files(settings)
        self._cert_to_name = cert_to_name(settings)
        self._tls_address = parse_listen(settings.tls.listen) if self._tls_files and settings.tls.listen else None
        self._managers = {name: _endpoints(name, manager) for name, manager in settings.call_home.items()}
        for name, manager in settings.call_home.items():
            if manager.transport == "tls" and self._tls_files is None:
                raise StartFault(f"call-home.{name}: transport tls needs the certificates of [tls]")
        self.open: list[OpenListener] = []
        self._listeners: list[Listener] = []
        self._call_homes: list[CallHome] = []

    async def start(self, on_peer: OnPeer, host_keys: Sequence[asyncssh.SSHKey], witness: Witness) -> tuple[str, int]:
        """Open all ways in; the address and port of SSH. Raises StartFault."""
        self._service = Service(on_peer, gate_limits(self._settings), witness)
        profile = PROFILES[self._settings.server.ssh_profile]
        ssh = SshListener(self._service, accounts=self._accounts, host_keys=host_keys, profile=profile)
        self._listeners.append(ssh)
        address = await _listen(ssh, self._address, self._settings.server.listen)
        self.open.append(OpenListener("ssh", *address))
        for host_key in host_keys:
            log.info("a host key is %s %s", host_key.get_algorithm(), host_key.get_fingerprint())
        calls: dict[str, Call] = {"ssh": ssh.call}
        if (tls := await self._start_tls()) is not None:
            calls["tls"] = tls.call
        await self._start_subsystem()
        self._start_call_home(calls)
        return address

    async def stop(self) -> None:
        """Let what is under way end, within seconds, and close everything."""
        await self._service.stop(*self._listeners)

    def call_home(self) -> list[CallHomeState]:
        """What is going on with each manager that is called."""
        return [call_home.state for call_home in self._call_homes]

    async def _start_tls(self) -> TlsListener | None:
        if self._tls_files is None:
            return None
        tls = TlsListener(
            self._service, accounts=self._accounts, files=self._tls_files, cert_to_name=self._cert_to_name
        )
        self._listeners.append(tls)
        if self._tls_address is not None:
            bound = await _listen(tls, self._tls_address, self._settings.tls.listen)
            self.open.append(OpenListener("tls", *bound))
            log.info("listening for TLS on %s, certificate %s", shown(*bound), self._tls_files.fingerprint())
        return tls

    async def _start_subsystem(self) -> None:
        server = self._settings.server
        if server.subsystem_socket is None:
            return
        subsystem = SubsystemListener(
            self._service, accounts=self._accounts, path=server.subsystem_socket, group=server.subsystem_group
        )
        try:
            await subsystem.start()
        except SubsystemFault as fault:
            raise StartFault(str(fault)) from fault
        self._listeners.append(subsystem)
        self.open.append(OpenListener("subsystem", path=str(server.subsystem_socket)))
        log.info("listening for the subsystem of OpenSSH on %s", server.subsystem_socket)

    def _start_call_home(self, calls: Mapping[str, Call]) -> None:
        for name, manager in self._settings.call_home.items():
            call_home = CallHome(
                name,
                self._managers[name],
                calls[manager.transport],
                transport=manager.transport,
                strategy=_strategy(manager),
                keepalive=manager.keepalive,
            )
            call_home.start()
            self._call_homes.append(call_home)
            self._listeners.append(call_home)


def shown(host: str, port: int) -> str:
    """``ADDR:PORT``, ``[ADDR]:PORT`` for IPv6."""
    return str(Endpoint(host, port))


async def _listen(listener: SshListener | TlsListener, address: tuple[str, int], text: str) -> tuple[str, int]:
    try:
        return await listener.start(*address)
    except OSError as fault:
        raise StartFault(f"cannot listen on {text}: {reason(fault)}") from fault


def _tls_files(settings: Settings) -> TlsFiles | None:
    """None if TLS is not set. Raises StartFault."""
    tls = settings.tls
    named = {"certificate": tls.certificate, "key": tls.key, "client-ca": tls.client_ca}
    missing = [name for name, path in named.items() if path is None]
    if len(missing) == len(named):
        return None
    if tls.certificate is None or tls.key is None or tls.client_ca is None:
        raise StartFault(f"[tls] lacks {', '.join(missing)}")
    files = TlsFiles(tls.certificate, tls.key, tls.client_ca, tls.client_crl)
    try:
        files.context()
        files.fingerprint()
    except TlsFault as fault:
        raise StartFault(f"tls: {fault}") from fault
    return files


def cert_to_name(settings: Settings) -> list[CertToName]:
    """Who clients with certificates are. Raises StartFault."""
    entries = []
    for number, entry in enumerate(settings.tls.cert_to_name, 1):
        try:
            entries.append(CertToName(entry.map_type, entry.fingerprint, entry.name))
        except CertificateFault as fault:
            raise StartFault(f"tls.cert-to-name, entry {number}: {fault}") from fault
    return entries


def _endpoints(name: str, manager: CallHomeSettings) -> list[Endpoint]:
    if not manager.endpoints:
        raise StartFault(f"call-home.{name} has no endpoints")
    try:
        return [Endpoint(*parse_listen(text)) for text in manager.endpoints]
    except SettingsFault as fault:
        raise StartFault(f"call-home.{name}: {fault}") from fault


def _strategy(manager: CallHomeSettings) -> Strategy:
    return Strategy(
        last_connected=manager.start_with == "last-connected",
        max_attempts=manager.max_attempts,
        max_wait=manager.max_wait,
        back_off=manager.back_off,
        back_off_limit=manager.back_off_limit,
    )


def gate_limits(settings: Settings) -> Limits:
    """The caps and time-outs of all ways in."""
    limits = settings.limits
    return Limits(
        unauthenticated=limits.unauthenticated,
        unauthenticated_per_address=limits.unauthenticated_per_address,
        sessions=limits.sessions,
        sessions_per_user=limits.sessions_per_user,
        sessions_per_address=limits.sessions_per_address,
        auth_tries=limits.auth_tries,
        back_off=limits.back_off,
        back_off_limit=limits.back_off_limit,
        login_grace=limits.login_grace,
        slow_reader_timeout=limits.slow_reader_timeout,
    )

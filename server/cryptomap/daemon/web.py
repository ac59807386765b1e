"""RESTCONF, the console and the metrics, as the settings have them. What HTTP needs is an extra of the distribution, so
this is imported only where the settings ask for it."""

from __future__ import annotations

import ipaddress
import logging
import ssl

from prometheus_client import CollectorRegistry
from starlette.routing import Route

from cryptomap.daemon.faults import StartFault
from cryptomap.daemon.settings import Restconf, Settings, parse_listen
from cryptomap.daemon.transports import OpenListener, cert_to_name, gate_limits, shown
from cryptomap.datastore.datastores import Datastores
from cryptomap.errors import AccessDenied
from cryptomap.metrics.circumstances import Drift, Tunnels
from cryptomap.metrics.happenings import Happenings
from cryptomap.metrics.page import CONTENT_TYPE, Page
from cryptomap.netconf.parser import ParserLimits
from cryptomap.operations.server import Server
from cryptomap.restconf.api import providers
from cryptomap.restconf.app import Endpoint, application
from cryptomap.restconf.faults import refusal
from cryptomap.restconf.listener import HttpListener
from cryptomap.restconf.login import Login
from cryptomap.restconf.messages import JSON, Request, Response
from cryptomap.restconf.site import Site
from cryptomap.transport.accounts import Accounts
from cryptomap.transport.gate import Gate
from cryptomap.transport.reason import reason
from cryptomap.transport.tls import TlsFault, TlsFiles

__all__ = ["Web"]

log = logging.getLogger(__name__)


class Web:
    """Everything that can be wrong with the settings is found when it is made. Raises StartFault, SettingsFault.

    ``step`` is an observer of the datastores' steps."""

    def __init__(self, settings: Settings, accounts: Accounts) -> None:
        self._settings = settings.restconf
        self._limits = gate_limits(settings)
        self._login = Login(accounts, cert_to_name(settings), Gate(self._limits))
        self._address = parse_listen(self._settings.listen)
        self._context = _context(self._settings, self._address[0])
        self._registry = CollectorRegistry()
        self._happenings = Happenings(self._registry)
        self.step = self._happenings.step
        self.url = ""

    def listen_to(self, datastores: Datastores) -> None:
        """Count the commits; on the writer's thread."""
        datastores.subscribe(self._happenings.hear)

    async def start(self, server: Server, tunnels: Tunnels, drift: Drift) -> OpenListener:
        """Open for a server; where it is, which ``url`` tells as well. Raises StartFault."""
        settings = self._settings
        server.providers.update(providers(server, lambda: self.url))
        self._login.witness = server.witness
        server.performed = self._happenings.operation
        self._site = Site.of(server, ParserLimits(size=settings.body_size), settings.streams)
        metrics = [Route("/metrics", self._metrics(server, tunnels, drift))] if settings.metrics else []
        app = application(self._site, self._login, console=settings.console, more=metrics)
        self._listener = HttpListener(
            app, context=self._context, most=settings.connections, grace=self._limits.login_grace
        )
        try:
            bound = await self._listener.start(*self._address)
        except OSError as fault:
            raise StartFault(f"cannot listen on {settings.listen}: {reason(fault)}") from fault
        self.url = f"{'https' if self._context else 'http'}://{shown(*bound)}"
        log.info("RESTCONF is at %s/restconf", self.url)
        return OpenListener("restconf", *bound)

    async def stop(self) -> None:
        """Let what is under way end, within seconds, and close everything."""
        self._site.stop()
        await self._listener.stop()

    def _metrics(self, server: Server, tunnels: Tunnels, drift: Drift) -> Endpoint:
        page = Page(self._registry, server, tunnels, drift)

        async def answer(request: Request) -> Response:
            try:
                text = await page.read(request.user)
            except AccessDenied as denial:
                return refusal(server.schema, [denial], JSON)
            return Response(200, {"content-type": CONTENT_TYPE, "cache-control": "no-store"}, (text,))

        return Endpoint(self._login, answer)


def _context(settings: Restconf, host: str) -> ssl.SSLContext | None:
    """None for plain HTTP. Raises StartFault."""
    if settings.insecure:
        if not _is_loopback(host):
            raise StartFault(f"restconf: insecure is for loopback addresses, not for {settings.listen}")
        return None
    if settings.certificate is None or settings.key is None:
        raise StartFault("restconf needs a certificate and its key")
    files = TlsFiles(settings.certificate, settings.key, settings.client_ca, settings.client_crl)
    try:
        return files.context(required=False)
    except TlsFault as fault:
        raise StartFault(f"restconf: {fault}") from fault


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

"""RESTCONF, the console and the metrics, as the settings have them.

What HTTP needs is an extra of the distribution, and is looked for only where the settings ask for it.
"""

from __future__ import annotations

import ipaddress
import logging
import ssl
from typing import TYPE_CHECKING

from cryptomap.daemon.faults import StartFault
from cryptomap.daemon.settings import Restconf, Settings, parse_listen
from cryptomap.daemon.transports import cert_to_name, shown
from cryptomap.netconf.parser import ParserLimits
from cryptomap.operations.server import Server
from cryptomap.transport.accounts import Accounts
from cryptomap.transport.reason import reason
from cryptomap.transport.tls import TlsFault, TlsFiles

if TYPE_CHECKING:
    from cryptomap.restconf.listener import HttpListener
    from cryptomap.restconf.site import Site

__all__ = ["Web", "web_of"]

log = logging.getLogger(__name__)


class Web:
    """Everything that can be wrong with the settings is found when it is made. Raises StartFault, SettingsFault."""

    def __init__(self, settings: Settings, accounts: Accounts) -> None:
        _require_extra()
        self._settings = settings.restconf
        self._accounts = accounts
        self._cert_to_name = cert_to_name(settings)
        self._grace = settings.limits.login_grace
        self._address = parse_listen(self._settings.listen)
        self._context = _context(self._settings, self._address[0])
        self.url = ""

    async def start(self, server: Server) -> str:
        """Open for a server; where it is. Raises StartFault."""
        from cryptomap.restconf.api import providers
        from cryptomap.restconf.app import application
        from cryptomap.restconf.listener import HttpListener
        from cryptomap.restconf.login import Login
        from cryptomap.restconf.site import Site

        settings = self._settings
        self._site: Site = Site.of(server, ParserLimits(size=settings.body_size), settings.streams)
        server.providers.update(providers(server, lambda: self.url))
        login = Login(self._accounts, self._cert_to_name)
        app = application(self._site, login, console=settings.console)
        self._listener: HttpListener = HttpListener(
            app, context=self._context, most=settings.connections, grace=self._grace
        )
        try:
            bound = await self._listener.start(*self._address)
        except OSError as fault:
            raise StartFault(f"cannot listen on {settings.listen}: {reason(fault)}") from fault
        self.url = f"{'https' if self._context else 'http'}://{shown(*bound)}"
        log.info("RESTCONF is at %s/restconf", self.url)
        return self.url

    async def stop(self) -> None:
        """Let what is under way end, within seconds, and close everything."""
        self._site.stop()
        await self._listener.stop()


def web_of(settings: Settings, accounts: Accounts) -> Web | None:
    """None if RESTCONF is off."""
    return Web(settings, accounts) if settings.restconf.listen else None


def _require_extra() -> None:
    try:
        import prometheus_client  # noqa: F401
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as fault:
        raise StartFault(f"restconf: {fault.name} is not installed; pip install 'cryptomap[restconf]'") from fault


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

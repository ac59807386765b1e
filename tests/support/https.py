"""A client of the standard library for the HTTP of a server of its own process."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from support.server import PATIENCE

JSON = "application/yang-data+json"


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


def basic(user: str, password: str) -> dict[str, str]:
    """The header of HTTP Basic."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def connection(url: str, context: ssl.SSLContext | None = None) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    assert parts.hostname
    if parts.scheme == "https":
        return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=PATIENCE, context=context)
    return http.client.HTTPConnection(parts.hostname, parts.port, timeout=PATIENCE)


def ask(
    url: str,
    method: str,
    target: str,
    body: object = None,
    headers: Mapping[str, str] | None = None,
    context: ssl.SSLContext | None = None,
) -> Reply:
    """One request on a connection of its own."""
    client = connection(url, context)
    content = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    found = {"Content-Type": JSON, **(headers or {})} if content else dict(headers or {})
    try:
        client.request(method, target, content, found)
        response = client.getresponse()
        named = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, named, response.read().decode())
    finally:
        client.close()


def raw(url: str) -> socket.socket:
    """A TCP connection to it."""
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE)

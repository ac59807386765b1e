"""Who asks: a client's certificate, or a name and a password (RFC 8040 section 2.5).

Checking a password is slow on purpose, and HTTP sends it with each request. So what was right once is remembered for a
while, as a keyed digest; wrong passwords are checked anew each time, and throttled by address like those of SSH.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Final

from cryptography import x509

from cryptomap.audit import Deed, Outcome, Witness, unseen
from cryptomap.transport.accounts import Accounts
from cryptomap.transport.certificates import CertToName, user_of
from cryptomap.transport.gate import Gate, Limits

__all__ = ["TRANSPORT", "Busy", "Login", "Stranger"]

TRANSPORT: Final = "restconf"
REMEMBERED: Final = 300.0  # seconds
_LONGEST: Final = 1024  # octets of name and password


class Stranger(Exception):
    """Nobody was proven to ask; the text says why, for the log."""


class Busy(Exception):
    """Too many are logging in, or failed to; the text says what to do."""


class Login:
    """Knows the users of all transports. ``clock``: seconds that only go forward."""

    def __init__(
        self,
        accounts: Accounts,
        cert_to_name: Sequence[CertToName] = (),
        gate: Gate | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._accounts = accounts
        self._cert_to_name = tuple(cert_to_name)
        self._gate = gate or Gate(Limits())
        self._clock = clock
        self.witness: Witness = unseen
        """Told of passwords that were checked, and of certificates: of the same user and address once in a while."""
        self._key = secrets.token_bytes(32)
        self._right: dict[str, tuple[bytes, float]] = {}
        self._certified: dict[tuple[str, str], float] = {}
        self._edition = accounts.edition

    async def user(self, authorization: str, chain: Sequence[x509.Certificate] = (), address: str = "") -> str:
        """The user of a request: by its Authorization header if there is one, else by the verified chain of its
        connection. Raises Stranger, Busy."""
        if authorization:
            return await self._by_password(authorization, address)
        if not chain:
            raise Stranger("neither certificate nor password")
        user = user_of(self._cert_to_name, chain)
        subject = chain[0].subject.rfc4514_string()
        if user is None or user not in self._accounts:
            self.witness(Deed("login", TRANSPORT, Outcome.DENIED, user or "", address, detail=f"no user for {subject}"))
            raise Stranger(f"no user for {subject}")
        if self._certified.get((user, address), 0.0) <= self._clock():
            self._certified = {who: until for who, until in self._certified.items() if until > self._clock()}
            self._certified[user, address] = self._clock() + REMEMBERED
            self.witness(Deed("login", TRANSPORT, Outcome.OK, user, address, detail=f"certificate of {subject}"))
        return user

    async def _by_password(self, authorization: str, address: str) -> str:
        user, password = _basic(authorization)
        if self._edition != self._accounts.edition:  # a password that was right may be none any more
            self._edition = self._accounts.edition
            self._right.clear()
        digest = hmac.digest(self._key, f"{user}\0{password}".encode(), "sha256")
        known, until = self._right.get(user, (b"", 0.0))
        if until > self._clock() and hmac.compare_digest(known, digest):
            return user
        if not self._accounts.has_passwords:
            raise Stranger("no user has a password")
        refusal = self._gate.enter_connection(address)
        if refusal is not None:
            raise Busy(refusal)
        try:
            right = await self._accounts.accepts_password(user, password)
        finally:
            self._gate.leave_connection(address)
        if not right:
            self._gate.login_failed(address)
            self.witness(Deed("login", TRANSPORT, Outcome.DENIED, user, address, detail="wrong password"))
            raise Stranger(f"wrong password for {user[:64]!r}")
        self._gate.login_succeeded(address)
        self.witness(Deed("login", TRANSPORT, Outcome.OK, user, address))
        self._right[user] = (digest, self._clock() + REMEMBERED)
        return user


def _basic(authorization: str) -> tuple[str, str]:
    """The name and the password of HTTP Basic (RFC 7617)."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic" or len(encoded) > 2 * _LONGEST:
        raise Stranger("not HTTP Basic")
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise Stranger("HTTP Basic without a name and a password") from None
    user, colon, password = text.partition(":")
    if not colon:
        raise Stranger("HTTP Basic without a password")
    return user, password

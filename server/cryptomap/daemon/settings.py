"""What the operator sets: the TOML file and the command line, checked as a whole before anything starts.

Every field below is a key of ``/etc/cryptomap/cryptomapd.toml`` (an underscore is written as a hyphen). A key nobody
knows, a value of the wrong type and a file that cannot be read are each one line that names the culprit.
"""

from __future__ import annotations

import difflib
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

__all__ = [
    "Audit",
    "Backend",
    "CallHome",
    "CertToName",
    "Limits",
    "Platform",
    "Policy",
    "Restconf",
    "Server",
    "Settings",
    "SettingsFault",
    "Tls",
    "User",
    "load",
    "parse_listen",
]

DEFAULT_FILE = Path("/etc/cryptomap/cryptomapd.toml")


class SettingsFault(Exception):
    """The settings cannot be used; the text is one line that names the file, the key and what to do."""


@dataclass(frozen=True, slots=True)
class Server:
    """``[server]``. ``listen`` is ADDR:PORT ([ADDR]:PORT for IPv6); port 0 lets the system choose.
    ``startup_datastore`` turns on the :startup capability: then boot loads startup and not the last running.
    ``writable_running`` turns on the :writable-running capability: then an edit of running is a commit of its own.
    ``url_dir`` is the directory of the files that clients may name by url; without it there are none. ``host_key`` is
    a private key of OpenSSH's; without it one is made in the state directory. ``subsystem_socket`` is where
    ``cryptomapd subsystem`` finds the server; the members of ``subsystem_group`` may use it besides its owner.
    ``ssh_profile``: modern, or compat for clients on libssh2 before 1.9 (see docs/security.md)."""

    listen: str = "127.0.0.1:830"
    state_dir: Path = Path("/var/lib/cryptomap")
    yang_dirs: tuple[Path, ...] = ()
    startup_datastore: bool = False
    writable_running: bool = False
    url_dir: Path | None = None
    host_key: Path | None = None
    subsystem_socket: Path | None = None
    subsystem_group: str | None = None
    ssh_profile: str = "modern"


@dataclass(frozen=True, slots=True)
class Limits:
    """``[limits]``. Times in seconds, 0 turns a time-out or a limit of sessions off; sizes in bytes.
    ``received_memory``: what requests that were not answered yet may take, over all sessions (as much as their
    parsed form: 128 bytes for each element and each text, 240 for each attribute)."""

    sessions: int = 256
    sessions_per_user: int = 64
    sessions_per_address: int = 128
    unauthenticated: int = 32
    unauthenticated_per_address: int = 8
    auth_tries: int = 3
    back_off: float = 1.0
    back_off_limit: float = 300.0
    login_grace: float = 30.0
    hello_timeout: float = 30.0
    idle_timeout: float = 0.0
    slow_reader_timeout: float = 60.0
    message_timeout: float = 600.0
    message_size: int = 256 * 2**20
    received_memory: int = 2**31
    xpath_nodes: int = 2_000_000


@dataclass(frozen=True, slots=True)
class Backend:
    """``[backend]``. Further keys below ``[backend.NAME]`` are the backend's own. ``deadline``: seconds one call of the
    backend may take. ``drift_interval``: seconds between looks whether the gateway still holds what running asks for, 0
    for none. ``on_drift``: ``repair`` brings it back, ``report`` only tells."""

    name: str = "simulator"
    deadline: float = 30.0
    drift_interval: float = 60.0
    on_drift: str = "repair"
    options: Mapping[str, Mapping[str, object]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Platform:
    """``[platform]``: facts of the box that YANG shows as state and that rules go by. A backend that knows them itself
    wins over what stands here."""

    role: str = "user-plane"
    product: str = "generic"
    vpp: bool = False
    crypto_hardware: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """``[policy]``. ``day1``: ``warn`` accepts a late first DSCP with a warning, ``enforce`` refuses it."""

    day1: str = "warn"


@dataclass(frozen=True, slots=True)
class Audit:
    """``[audit]``: the record of who did what. A file is ended at ``max_size`` bytes; the oldest beyond ``keep`` files
    are removed, 0 keeps all."""

    max_size: int = 8 * 2**20
    keep: int = 20


@dataclass(frozen=True, slots=True)
class User:
    """``[users.NAME]``. ``authorized_keys`` is a file in OpenSSH's format, ``keys`` the same lines inline.
    ``password_hash`` is a scrypt hash (``python -m cryptomap.transport.passwords`` makes one); without one the user has
    no password. ``groups`` are groups of access control (RFC 8341) besides those configured in /nacm. Access control
    does not bind a ``recovery`` user."""

    authorized_keys: Path | None = None
    keys: tuple[str, ...] = ()
    password_hash: str | None = None
    groups: tuple[str, ...] = ()
    recovery: bool = False


@dataclass(frozen=True, slots=True)
class CertToName:
    """``[[tls.cert-to-name]]``: who a client with a certificate is (RFC 7407). The first entry counts that matches and
    yields a name. ``map_type`` is specified (then ``name`` is the user), san-rfc822-name, san-dns-name, san-ip-address,
    san-any or common-name. ``fingerprint`` is that of the certificate or of its CA: ``04:`` and what ``openssl x509
    -fingerprint -sha256`` prints; without one the entry matches each certificate that ``client-ca`` vouches for."""

    map_type: str = ""
    fingerprint: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Tls:
    """``[tls]``: NETCONF over TLS (RFC 7589), off unless the three files are named, all PEM. ``listen`` as in
    ``[server]``; when it is empty, TLS is for call home only. ``client_ca`` holds the CAs of clients, ``client_crl``
    their revocation lists."""

    listen: str = "127.0.0.1:6513"
    certificate: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None
    client_crl: Path | None = None
    cert_to_name: tuple[CertToName, ...] = ()


@dataclass(frozen=True, slots=True)
class CallHome:
    """``[call-home.NAME]``: a manager that the server calls (RFC 8071). ``transport``: ssh or tls. ``endpoints``: where
    it listens, ADDR:PORT each (IANA has ports 4334 for SSH and 4335 for TLS). ``start_with``: where a lost connection
    is sought first, first-listed or last-connected. An endpoint is tried ``max_attempts`` times, ``max_wait`` seconds
    each; ``back_off`` seconds pass between tries, doubled each time all endpoints have failed, up to
    ``back_off_limit``. ``keepalive``: seconds of silence after which the manager is asked whether it is there."""

    transport: str = "ssh"
    endpoints: tuple[str, ...] = ()
    start_with: str = "first-listed"
    max_attempts: int = 3
    max_wait: float = 5.0
    back_off: float = 1.0
    back_off_limit: float = 60.0
    keepalive: float = 30.0


@dataclass(frozen=True, slots=True)
class Restconf:
    """``[restconf]``: RESTCONF (RFC 8040), off unless ``listen`` names an address as in ``[server]``. It needs
    ``certificate`` and ``key`` (PEM), or ``insecure = true``, which is for loopback addresses only. Users log in with
    the passwords of ``[users]``, or, where ``client_ca`` is named, with certificates as ``[[tls.cert-to-name]]`` says.
    ``console`` and ``metrics`` are served along with it. ``body_size``: bytes of one request; ``connections`` and
    ``streams`` (of events): how many at once."""

    listen: str = ""
    certificate: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None
    client_crl: Path | None = None
    insecure: bool = False
    console: bool = True
    metrics: bool = True
    body_size: int = 64 * 2**20
    connections: int = 256
    streams: int = 64


@dataclass(frozen=True, slots=True)
class Settings:
    server: Server = field(default_factory=Server)
    limits: Limits = field(default_factory=Limits)
    backend: Backend = field(default_factory=Backend)
    platform: Platform = field(default_factory=Platform)
    policy: Policy = field(default_factory=Policy)
    audit: Audit = field(default_factory=Audit)
    tls: Tls = field(default_factory=Tls)
    restconf: Restconf = field(default_factory=Restconf)
    call_home: Mapping[str, CallHome] = field(default_factory=dict)
    users: Mapping[str, User] = field(default_factory=dict)
    startup: Path | None = None  # command line only: the first configuration of an empty state directory

    def with_state_dir(self, path: Path | None) -> Settings:
        return replace(self, server=replace(self.server, state_dir=path)) if path else self


CHOICES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("server", "ssh_profile"): ("modern", "compat"),
    ("platform", "role"): ("user-plane", "control-plane"),
    ("platform", "product"): ("generic", "asr5500", "vpc-di", "vpc-si"),
    ("policy", "day1"): ("warn", "enforce"),
    ("backend", "on_drift"): ("repair", "report"),
}


def load(path: Path | None) -> Settings:
    """The settings of a file; the defaults if ``path`` is None and there is no default file. Raises SettingsFault."""
    if path is None and not DEFAULT_FILE.exists():
        return Settings()
    path = path or DEFAULT_FILE
    try:
        with path.open("rb") as file:
            tables = tomllib.load(file)
    except OSError as fault:
        raise SettingsFault(f"cannot read settings file {path}: {fault.strerror}") from fault
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise SettingsFault(f"settings file {path} is not TOML: {fault}") from fault
    return _settings(tables, path)


def _settings(tables: dict[str, Any], path: Path) -> Settings:
    users, managers, backend = tables.pop("users", {}), tables.pop("call-home", {}), tables.get("backend", {})
    for name, table in (("users", users), ("call-home", managers), ("backend", backend)):
        if not isinstance(table, dict):
            raise SettingsFault(f"{path}: {name} must be a table")
    options = {key: backend.pop(key) for key in list(backend) if isinstance(backend[key], dict)}
    settings = _read(Settings, tables, f"{path}:", path.parent)
    named = {name: _read(User, table, f"{path}: users.{name}", path.parent) for name, table in users.items()}
    called = {
        name: _read(CallHome, table, f"{path}: call-home.{name}", path.parent) for name, table in managers.items()
    }
    for (table, key), allowed in CHOICES.items():
        _choose(getattr(settings, table), key, allowed, f"{path}: {table}")
    for name, manager in called.items():
        _check_call_home(manager, f"{path}: call-home.{name}")
    return replace(settings, users=named, call_home=called, backend=replace(settings.backend, options=options))


def _choose(table: object, key: str, allowed: tuple[str, ...], where: str) -> None:
    value = getattr(table, key)
    if value not in allowed:
        raise SettingsFault(f"{where}.{key.replace('_', '-')} is {value!r}, which is none of {', '.join(allowed)}")


def _check_call_home(manager: CallHome, where: str) -> None:
    _choose(manager, "transport", ("ssh", "tls"), where)
    _choose(manager, "start_with", ("first-listed", "last-connected"), where)
    for key, least in (("max_attempts", 1), ("max_wait", 0.1), ("back_off", 0.1), ("back_off_limit", 0.1)):
        if getattr(manager, key) < least:
            raise SettingsFault(f"{where}.{key.replace('_', '-')} must be {least} or more")


T = TypeVar("T")


def _read(kind: type[T], table: object, where: str, base: Path) -> T:
    if not isinstance(table, dict):
        raise SettingsFault(f"{where} must be a table")
    hints = typing.get_type_hints(kind)
    known = {item.name.replace("_", "-"): item.name for item in fields(kind)}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise SettingsFault(f"{where} unknown key {key!r}{hint}")
        values[known[key]] = _value(hints[known[key]], value, f"{where} {key}", base)
    return kind(**values)


def _value(hint: Any, value: object, where: str, base: Path) -> object:
    if is_dataclass(hint):
        return _read(typing.cast("type[object]", hint), value, where, base)
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    origin = typing.get_origin(options[0])
    if origin is tuple and isinstance(value, list):
        return tuple(_value(typing.get_args(options[0])[0], item, where, base) for item in value)
    if Path in options and isinstance(value, str):
        return base / value
    if float in options and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if origin is None and type(value) in options:
        return value
    raise SettingsFault(f"{where} has a value of the wrong type: {value!r}")


def parse_listen(text: str) -> tuple[str, int]:
    """What listens: ``ADDR:PORT`` or ``[ADDR]:PORT`` -> (address, port). Raises SettingsFault."""
    address, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535 or not address:
        raise SettingsFault(f"listen address {text!r} is not ADDR:PORT, such as 127.0.0.1:830 or [::1]:830")
    return address.removeprefix("[").removesuffix("]"), int(port)

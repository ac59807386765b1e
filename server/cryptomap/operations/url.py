"""Configurations in files of the server (RFC 6241 section 8.8, :url), scheme file, below one directory only.

``file:///night/saved.xml`` is the file ``night/saved.xml`` below the directory that the operator has set: a client
neither sees nor leaves it, and no symbolic link is followed. What is read and written is a ``config`` element; secrets
in it stay sealed. Access control does not know files (RFC 8341 section 3.2), so that whoever writes one gets into it
what it may read, and deleting one takes the right to perform delete-config.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from lxml import etree

from cryptomap.datastore.statedir import write_durably
from cryptomap.errors import DataMissing, InvalidValue, OperationFailed, OperationNotSupported, RpcError
from cryptomap.netconf.messages import BASE
from cryptomap.netconf.parser import MessageParser, ParserLimits

__all__ = ["Files", "Url"]

_PIECE: Final = 2**20
_NAME: Final = 240  # octets, with room for what the name of a temporary file has besides
_WAY: Final = 2048
_CONFIG: Final = f"{{{BASE}}}config"
_OPEN: Final = f'<config xmlns="{BASE}">'.encode()
_CLOSE: Final = b"</config>\n"


@dataclass(frozen=True, slots=True)
class Url:
    """The text of a url parameter."""

    text: str


class Files:
    """The files below a directory; ``None``: there are none, and :url is not announced. Everything here blocks."""

    def __init__(self, directory: Path | None, limits: ParserLimits) -> None:
        self._directory = directory
        self._limits = limits

    @property
    def is_offered(self) -> bool:
        return self._directory is not None

    def read(self, url: Url) -> etree._Element:
        """The ``config`` element in a file. Raises RpcError for what is wrong with the url, the file or its XML."""
        path = self._path(url)
        parser = MessageParser(self._limits)
        try:
            with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
                for piece in iter(lambda: file.read(_PIECE), b""):
                    parser.feed(piece)
            root = parser.close()
        except FileNotFoundError:
            raise _fault(DataMissing, f"there is no file {url.text}") from None
        except OSError as fault:
            raise _fault(OperationFailed, f"{url.text} cannot be read: {fault.strerror}") from fault
        except RpcError as fault:
            raise _fault(InvalidValue, f"{url.text}: {fault.message}") from fault
        if root.tag != _CONFIG:
            raise _fault(InvalidValue, f"{url.text} must hold <config xmlns='{BASE}'>, not <{root.tag}>")
        return root

    def write(self, url: Url, content: Iterable[bytes]) -> None:
        """Replace or make a file, durably, with this content of a ``config`` element."""
        path = self._path(url)
        if path.is_symlink() or path.is_dir():
            raise _fault(OperationFailed, f"{url.text} is no plain file")
        try:
            write_durably(path, list(_around(content)))
        except OSError as fault:
            raise _fault(OperationFailed, f"{url.text} cannot be written: {fault.strerror}") from fault

    def delete(self, url: Url) -> None:
        path = self._path(url)
        try:
            path.unlink()
        except FileNotFoundError:
            raise _fault(DataMissing, f"there is no file {url.text}") from None
        except OSError as fault:
            raise _fault(OperationFailed, f"{url.text} cannot be deleted: {fault.strerror}") from fault

    def _path(self, url: Url) -> Path:
        if self._directory is None:
            message = "a url is not supported: the capability :url is not announced"
            raise _fault(OperationNotSupported, message)
        try:
            parts = urlsplit(url.text)
            names = unquote(parts.path, errors="strict").split("/")
        except ValueError:
            raise _fault(InvalidValue, f"'{url.text[:80]}' is not a url") from None
        if parts.scheme != "file":
            raise _fault(OperationNotSupported, "the only scheme here is file, such as file:///saved.xml")
        if parts.netloc not in ("", "localhost") or parts.query or parts.fragment:
            raise _fault(InvalidValue, f"'{url.text[:80]}' is not a file of this server, such as file:///saved.xml")
        return self._below(self._directory, [name for name in names if name], url)

    def _below(self, directory: Path, names: list[str], url: Url) -> Path:
        """No name leads up or hides, and no directory on the way is a link."""
        if not names or any(name.startswith(".") or not name.isprintable() for name in names):
            raise _fault(InvalidValue, f"'{url.text[:80]}' does not name a file; names do not begin with a dot")
        if any(len(name.encode()) > _NAME for name in names) or len("/".join(names).encode()) > _WAY:
            raise _fault(InvalidValue, f"'{url.text[:80]}...' is too long: a name has at most {_NAME} octets")
        top = directory.resolve()
        path = top.joinpath(*names)
        if path.parent.resolve() != path.parent:
            raise _fault(InvalidValue, f"'{url.text[:80]}' leads through a link")
        return path


def _around(content: Iterable[bytes]) -> Iterator[bytes]:
    yield _OPEN
    yield from content
    yield _CLOSE


def _fault(kind: type[RpcError], message: str) -> RpcError:
    return kind(message, error_type="protocol", info=[("bad-element", "url")])

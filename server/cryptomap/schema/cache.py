"""Compiled schemas on disk, so that a server starts without pyang.

A schema is a graph full of circles (parents, children, leafrefs), which plain pickling would walk to a depth that
depends on the modules and overflow the stack. So every node, type and choice is pickled for itself, in one stream, and
refers to others by number.

The cache directory belongs to the server's user alone: unpickling runs what a file says. Files are named after
everything that goes into a schema, so a stale one is never read, and carry a checksum.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import pickle
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from cryptomap.schema.modules import load_sources
from cryptomap.schema.nodes import Case, Choice, DataNode, Schema
from cryptomap.schema.sources import Source, find_sources
from cryptomap.schema.types import Type

__all__ = ["dumps", "load_cached", "loads"]

_log = logging.getLogger(__name__)
_SHARED = (DataNode, Type, Choice, Case, Schema)
_KEPT_FILES = 4


def load_cached(
    directory: Path,
    names: Sequence[str],
    yang_dirs: Sequence[Path] = (),
    features: Mapping[str, Collection[str]] | None = None,
) -> Schema:
    """:func:`schema.modules.load`, from the cache if these very modules were compiled before. A cache that cannot be
    read or written is logged and otherwise does not matter. Raises SchemaFault as ``load`` does."""
    users, others = find_sources(yang_dirs)
    path = directory / f"schema-{_key(names, users, others, features or {})}.cache"
    schema = _read(path)
    if schema is None:
        schema = load_sources(names, users, others, features)
        _write(path, schema)
    return schema


def dumps(schema: Schema) -> bytes:
    """A schema as bytes for :func:`loads`."""
    pickler = _Pickler(io.BytesIO())
    pickler.persistent_id(schema)
    for item in pickler.items:  # grows while it is walked
        pickler.dump(item.__getstate__())
    kinds = pickle.dumps([type(item) for item in pickler.items])
    return kinds + pickler.stream.getvalue()


def loads(content: bytes) -> Schema:
    """The schema that :func:`dumps` wrote. Only for bytes of a trusted source."""
    stream = io.BytesIO(content)
    items = [kind.__new__(kind) for kind in pickle.load(stream)]  # noqa: S301
    unpickler = _Unpickler(stream, items)
    for item in items:
        _restore(item, unpickler.load())
    schema = items[0]
    assert isinstance(schema, Schema)
    return schema


class _Pickler(pickle.Pickler):
    """Writes shared objects as numbers; ``items`` are these objects by number. Its memory of strings and expressions
    spans all dumps, as that of the unpickler spans all loads."""

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream, protocol=pickle.HIGHEST_PROTOCOL)
        self.stream = stream
        self.items: list[Any] = []
        self._numbers: dict[int, int] = {}

    def persistent_id(self, obj: object) -> int | None:
        if not isinstance(obj, _SHARED):
            return None
        number = self._numbers.get(id(obj))
        if number is None:
            number = self._numbers[id(obj)] = len(self.items)
            self.items.append(obj)
        return number


class _Unpickler(pickle.Unpickler):
    def __init__(self, stream: io.BytesIO, items: list[Any]) -> None:
        super().__init__(stream)
        self._items = items

    def persistent_load(self, pid: int) -> object:
        return self._items[pid]


def _restore(item: Any, state: Any) -> None:
    if isinstance(item, Type):
        item.__setstate__(state)
        return
    for name, value in state[1].items():  # object.__getstate__ of a class with slots: (None, slots)
        setattr(item, name, value)


# ===== files =====


def _key(
    names: Sequence[str], users: Iterable[Source], others: Iterable[Source], features: Mapping[str, Collection[str]]
) -> str:
    chosen = sorted((module, sorted(on)) for module, on in features.items())
    digest = hashlib.sha256(repr((list(names), chosen, _code_version())).encode())
    for group in (users, others):
        digest.update(b"group")
        for source in group:
            digest.update(str(source.path).encode() + b"\0" + hashlib.sha256(source.text.encode()).digest())
    return digest.hexdigest()[:32]


@cache
def _code_version() -> str:
    """What else shapes a schema: the code of this room, its libraries, and Python."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    libraries = [metadata.version(name) for name in ("pyang", "elementpath")]
    return f"{digest.hexdigest()} {libraries} {sys.version}"


def _read(path: Path) -> Schema | None:
    try:
        content = path.read_bytes()
        checksum, body = content[:32], content[32:]
        if hashlib.sha256(body).digest() != checksum:
            raise ValueError("its checksum is wrong")
        return loads(body)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, pickle.UnpicklingError, EOFError, LookupError, TypeError, AttributeError) as error:
        _log.warning("schema cache %s is not used and will be rebuilt: %s", path, error)
        return None


def _write(path: Path, schema: Schema) -> None:
    body = dumps(schema)
    draft = path.with_suffix(f".{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(hashlib.sha256(body).digest() + body)
        draft.replace(path)
        _forget_old(path.parent)
    except OSError as error:
        _log.warning("schema cache %s cannot be written: %s", path, error)


def _forget_old(directory: Path) -> None:
    """Keep the youngest few files: each change of a module leaves one behind."""
    files = sorted(directory.glob("schema-*.cache"), key=lambda path: path.stat().st_mtime)
    for path in files[:-_KEPT_FILES]:
        path.unlink(missing_ok=True)

"""The schema that the server has: ours if it is the same, else compiled from the modules that the server gives out."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from lxml import etree

from cryptomap.client import Client
from cryptomap.schema.cache import load_cached
from cryptomap.schema.features import FEATURES_OFF
from cryptomap.schema.modules import default_module_names
from cryptomap.schema.nodes import Schema
from cryptomap.schema.sources import Source, find_sources
from cryptomap.shell.faults import Fault
from cryptomap.shell.progress import Progress

__all__ = ["server_schema"]

_LIBRARY: Final = "urn:ietf:params:xml:ns:yang:ietf-yang-library"
_FILTER: Final = f'<yang-library xmlns="{_LIBRARY}"/>'
_REVISION = re.compile(r"\d{4}-\d\d-\d\d")
_FEATURE = re.compile(r"^\s*feature\s+([\w.-]+)\s*[{;]", re.MULTILINE)


async def server_schema(client: Client, cache: Path, progress: Progress) -> Schema:
    """The compiled schema of the server's YANG library (RFC 8525). Raises Fault if it tells none."""
    library = await client.get(_FILTER)
    content_id = library.findtext(f".//{{{_LIBRARY}}}content-id")
    implemented = {name: features for element in _modules(library, "module") for name, _, features in [_facts(element)]}
    if content_id is None or not implemented:
        raise Fault("the server has no YANG library, so that nobody knows what can be configured")
    with progress.waiting("compiling the modules"):
        ours = await asyncio.to_thread(_ours, cache, implemented)
    if ours is not None and ours.content_id == content_id:
        return ours
    directory = cache / "modules" / _safe(content_id)
    await _fetch(client, library, directory, progress)
    with progress.waiting("compiling the server's modules"):
        return await asyncio.to_thread(load_cached, cache, sorted(implemented), [directory], implemented)


def _ours(cache: Path, implemented: Mapping[str, tuple[str, ...]]) -> Schema | None:
    """What this installation would serve with the features of the server."""
    names = default_module_names()
    if not implemented.keys() >= set(names):
        return None
    _, sources = find_sources()
    other = {name: on for name, on in implemented.items() if set(on) != _usual(name, sources)}
    return load_cached(cache, names, (), {name: on for name, on in other.items() if name in names})


def _usual(name: str, sources: list[Source]) -> set[str]:
    """The features of a module that are on if nobody says otherwise."""
    texts = [source.text for source in sources if source.name == name][:1]
    return set(_FEATURE.findall("\n".join(texts))) - set(FEATURES_OFF.get(name, ()))


async def _fetch(client: Client, library: etree._Element, directory: Path, progress: Progress) -> None:
    """Keep every module that the server has as a file."""
    wanted = [
        facts[:2]
        for kind in ("module", "import-only-module", "submodule")
        for facts in map(_facts, _modules(library, kind))
    ]
    await asyncio.to_thread(directory.mkdir, parents=True, exist_ok=True, mode=0o700)
    with progress.counting("fetching the server's modules", len(wanted)) as step:
        for name, revision in wanted:
            file = directory / (f"{name}@{revision}.yang" if revision else f"{name}.yang")
            if not file.exists():
                file.write_text(await client.get_schema(name, revision or None))
            step()


def _modules(library: etree._Element, kind: str) -> list[etree._Element]:
    return list(library.iter(f"{{{_LIBRARY}}}{kind}"))


def _facts(element: etree._Element) -> tuple[str, str, tuple[str, ...]]:
    """Name, revision and features of a module; names become names of files, so that they are looked at."""
    name = element.findtext(f"{{{_LIBRARY}}}name") or ""
    revision = element.findtext(f"{{{_LIBRARY}}}revision") or ""
    features = tuple(feature.text or "" for feature in element.iterfind(f"{{{_LIBRARY}}}feature"))
    return _safe(name), revision if _REVISION.fullmatch(revision) else "", features


def _safe(name: str) -> str:
    if not re.fullmatch(r"[\w.-]+", name) or name.startswith("."):
        raise Fault(f"the server's YANG library names a module '{name[:60]}', which is no name")
    return name

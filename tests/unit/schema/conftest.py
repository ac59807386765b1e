"""Compiling YANG written inside a test."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest

from cryptomap.schema.modules import load_sources
from cryptomap.schema.nodes import Schema
from cryptomap.schema.sources import Source, find_sources

Compile = Callable[..., Schema]


@cache
def _installed() -> Sequence[Source]:
    return find_sources()[1]


def _source(name: str, text: str) -> Source:
    if not text.lstrip().startswith(("module", "submodule")):
        text = f'module {name} {{ yang-version 1.1; namespace "urn:test:{name}"; prefix {name};\n{text}\n}}'
    return Source(name, None, "yang", Path(f"{name}.yang"), text)


@pytest.fixture
def compiled() -> Compile:
    """``compiled(a="container c;", ...)``: each keyword is a YANG 1.1 module whose name, prefix and last part of the
    namespace ``urn:test:a`` are the keyword, all of them implemented; a text that starts with ``module`` or
    ``submodule`` stands as it is. ``extra`` modules are there to be imported, ``names`` are IETF's to implement."""

    def compile_texts(
        names: Sequence[str] = (),
        features: Mapping[str, Collection[str]] | None = None,
        extra: Mapping[str, str] | None = None,
        **texts: str,
    ) -> Schema:
        users = [_source(name, text) for name, text in texts.items()]
        others = [_source(name, text) for name, text in (extra or {}).items()]
        return load_sources(names, users, [*others, *_installed()], features)

    return compile_texts

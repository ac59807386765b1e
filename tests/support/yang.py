"""Small YANG modules written in a test -> compiled schema."""

from __future__ import annotations

import re
import tempfile
from functools import lru_cache
from pathlib import Path

from cryptomap.schema import modules
from cryptomap.schema.nodes import Schema


@lru_cache(maxsize=64)
def schema_of(*texts: str) -> Schema:
    """The schema of these modules (full module texts); each text once per test run."""
    with tempfile.TemporaryDirectory() as directory:
        for text in texts:
            name = re.search(r"(?:sub)?module\s+([\w.-]+)", text)
            assert name, text
            Path(directory, f"{name[1]}.yang").write_text(text)
        return modules.load([], [Path(directory)])


def module(name: str, body: str, prefix: str | None = None, namespace: str | None = None) -> str:
    """A YANG 1.1 module text around a body."""
    return (
        f'module {name} {{ yang-version 1.1; namespace "{namespace or "urn:" + name}"; prefix {prefix or name};\n'
        f"{body}\n}}\n"
    )


@lru_cache(maxsize=1)
def product_schema() -> Schema:
    """The schema the server serves by default."""
    return modules.load(modules.default_module_names())

"""Errors as a user may see them (RFC 8341 section 3.4.3): none tells what the user must not read."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cryptomap.data.build import Plain
from cryptomap.data.path import parse_instance_identifier
from cryptomap.data.tree import Path
from cryptomap.errors import AccessDenied, ErrorPath, RpcError, RpcErrors
from cryptomap.operations.access import Reader
from cryptomap.schema.nodes import Schema
from cryptomap.schema.types import TypeFault

__all__ = ["finding", "module_path", "redacted"]

_PREFIX_OR_LITERAL = re.compile(r"""'[^']*'|"[^"]*"|([A-Za-z_][\w.-]*):(?!:)""")


def redacted(schema: Schema, reader: Reader, faults: RpcErrors) -> RpcErrors:
    """The same errors, those about instances the user must not read without text and path. A denial names what its
    user asked for, so it stays."""
    errors = [_shown(schema, reader, error) for error in faults.errors]
    same = all(new is old for new, old in zip(errors, faults.errors, strict=True))
    return faults if same else RpcErrors(errors)


def _shown(schema: Schema, reader: Reader, error: RpcError) -> RpcError:
    if isinstance(error, AccessDenied) or all(_sees(schema, reader, path) for path in _told(error)):
        return error
    message = "something is wrong that you may not read; ask a user who may"
    return type(error)(message, error_type=error.error_type, severity=error.severity)


def _told(error: RpcError) -> Iterator[ErrorPath]:
    """The instances that an error tells something about."""
    if error.path is not None:
        yield error.path
    yield from error.mentions
    yield from [value for _, value in error.info if isinstance(value, ErrorPath)]


def _sees(schema: Schema, reader: Reader, told: ErrorPath) -> bool:
    path = _path(schema, told)
    return path is None or reader.sees(path)


def _path(schema: Schema, path: ErrorPath) -> Path | None:
    """The way through the schema; ``None`` for a path to something that no module defines."""
    text = module_path(schema, path)
    while text:
        try:
            return parse_instance_identifier(schema, text)
        except TypeFault:
            text = text.rpartition("/")[0]
    return None


def finding(schema: Schema, error: RpcError) -> Plain:
    """An error or warning as the grouping of that name."""
    return {
        "rule": error.app_tag or None,
        "path": None if error.path is None else module_path(schema, error.path),
        "mentions": [module_path(schema, path) for path in error.mentions] or None,
        "message": error.message,
    }


def module_path(schema: Schema, path: ErrorPath) -> str:
    """An error path with module names for prefixes."""
    modules = {
        prefix: schema.module_of_namespace.get(namespace, prefix) for prefix, namespace in path.namespaces.items()
    }

    def renamed(match: re.Match[str]) -> str:
        prefix = match[1]
        return match[0] if prefix is None else f"{modules.get(prefix, prefix)}:"

    return _PREFIX_OR_LITERAL.sub(renamed, path.text)

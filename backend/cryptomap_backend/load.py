"""Backends by name: entry points of group ``cryptomap.backends``, each a factory ``create(settings) -> Backend``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import cast

from cryptomap_backend.contract import Backend

__all__ = ["GROUP", "BackendNotFound", "SettingsFault", "available", "load"]

GROUP = "cryptomap.backends"

BUILT_IN = {
    "linux": "cryptomap_backend.linux:create",
    "simulator": "cryptomap_backend.simulator:create",
    "strongswan": "cryptomap_backend.strongswan:create",
}
"""What a checkout offers without being installed; an entry point of the same name wins."""

Factory = Callable[[Mapping[str, object]], Backend]


class BackendNotFound(Exception):
    """No backend of that name; the text lists those there are, or says why it could not be loaded."""


class SettingsFault(ValueError):
    """A setting of the backend is unknown or has a bad value; the text names it."""


def available() -> tuple[str, ...]:
    """The names that :func:`load` knows, sorted."""
    return tuple(sorted({*BUILT_IN, *(point.name for point in entry_points(group=GROUP))}))


def load(name: str, settings: Mapping[str, object] | None = None) -> Backend:
    """Create the backend of that name. Raises BackendNotFound, SettingsFault, Unavailable."""
    return _factory(name)(settings or {})


def _factory(name: str) -> Factory:
    try:
        points = tuple(entry_points(group=GROUP, name=name))
        if points:
            return cast(Factory, points[0].load())
        if name in BUILT_IN:
            return _built_in(BUILT_IN[name])
    except ImportError as fault:
        raise BackendNotFound(f"backend {name!r} cannot be loaded: {fault}") from fault
    raise BackendNotFound(f"no backend {name!r}; there are: {', '.join(available())}")


def _built_in(reference: str) -> Factory:
    from importlib import import_module

    module, _, function = reference.partition(":")
    return cast(Factory, getattr(import_module(module), function))

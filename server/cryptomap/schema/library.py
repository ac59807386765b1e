"""The module set as the YANG library shows it (RFC 8525, and RFC 7895 for older clients): plain data, no XML."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from cryptomap.schema.nodes import Module, Schema

__all__ = ["ModuleSet", "content_id", "module_set"]


@dataclass(frozen=True, slots=True)
class ModuleSet:
    """Modules sorted by name; ``submodules`` of a module are looked up by name in ``submodules`` here."""

    content_id: str
    implemented: tuple[Module, ...]
    import_only: tuple[Module, ...]
    submodules: tuple[Module, ...]

    def submodules_of(self, module: Module) -> tuple[Module, ...]:
        """The submodules a module includes, by name."""
        names = {name for name, _ in module.submodules}
        return tuple(submodule for submodule in self.submodules if submodule.name in names)


def module_set(schema: Schema) -> ModuleSet:
    """The module set of a schema."""
    mains = [module for module in schema.modules.values() if not module.belongs_to]
    return ModuleSet(
        content_id=schema.content_id,
        implemented=tuple(module for module in mains if module.implemented),
        import_only=tuple(module for module in mains if not module.implemented),
        submodules=tuple(module for module in schema.modules.values() if module.belongs_to),
    )


def content_id(modules: Iterable[Module]) -> str:
    """A short text that differs for different sets of modules, revisions, features, deviations or texts."""
    digest = hashlib.sha256()
    for module in sorted(modules, key=lambda module: (module.name, module.revision)):
        words = (module.name, module.revision, module.implemented, module.features, module.deviations)
        digest.update(repr(words).encode())
        digest.update(hashlib.sha256(module.text.encode()).digest())
    return digest.hexdigest()[:32]

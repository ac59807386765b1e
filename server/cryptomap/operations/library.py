"""ietf-yang-library (RFC 8525, with the modules-state of RFC 7895 for older clients): which modules are served."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Final

from cryptomap.data.build import Plain, build
from cryptomap.data.tree import Path, Value
from cryptomap.data.view import Provider
from cryptomap.operations.nmda import datastores_of
from cryptomap.schema.library import ModuleSet, module_set
from cryptomap.schema.nodes import InnerNode, Module, Schema

if TYPE_CHECKING:
    from cryptomap.operations.server import Server

__all__ = ["providers"]

_MODULE: Final = "ietf-yang-library"
_NAME: Final = "complete"


def providers(server: Server) -> Mapping[str, Provider]:
    """The library by schema path; empty if the module is not there. It does not change while the server runs."""
    schema = server.schema
    module = schema.modules.get(_MODULE)
    if module is None or not module.implemented:
        return {}
    modules = module_set(schema)
    library = cache(lambda: _library(schema, modules, datastores_of(server)))
    state = cache(lambda: _modules_state(schema, modules))

    def yang_library(path: Path) -> Value:
        return library()

    def modules_state(path: Path) -> Value:
        return state()

    return {f"/{_MODULE}:yang-library": yang_library, f"/{_MODULE}:modules-state": modules_state}


def _library(schema: Schema, modules: ModuleSet, datastores: Iterable[str]) -> Value:
    return _build(
        schema,
        "yang-library",
        {
            "module-set": [
                {
                    "name": _NAME,
                    "module": [_implemented(modules, module) for module in modules.implemented],
                    "import-only-module": [_import_only(modules, module) for module in modules.import_only],
                }
            ],
            "schema": [{"name": _NAME, "module-set": [_NAME]}],
            "datastore": [{"name": f"ietf-datastores:{name}", "schema": _NAME} for name in datastores],
            "content-id": modules.content_id,
        },
    )


def _implemented(modules: ModuleSet, module: Module) -> Plain:
    return {
        "name": module.name,
        "revision": module.revision or None,
        "namespace": module.namespace,
        "submodule": [
            {"name": submodule.name, "revision": submodule.revision or None}
            for submodule in modules.submodules_of(module)
        ],
        "feature": list(module.features),
        "deviation": list(module.deviations),
    }


def _import_only(modules: ModuleSet, module: Module) -> Plain:
    described = _implemented(modules, module)
    return {name: described[name] for name in ("name", "namespace", "submodule")} | {"revision": module.revision}


def _modules_state(schema: Schema, modules: ModuleSet) -> Value:
    described = [_legacy(schema, modules, module) for module in (*modules.implemented, *modules.import_only)]
    return _build(schema, "modules-state", {"module-set-id": modules.content_id, "module": described})


def _legacy(schema: Schema, modules: ModuleSet, module: Module) -> Plain:
    return {
        "name": module.name,
        "revision": module.revision,
        "namespace": module.namespace,
        "feature": list(module.features),
        "deviation": [{"name": name, "revision": schema.modules[name].revision} for name in module.deviations],
        "conformance-type": "implement" if module.implemented else "import",
        "submodule": [
            {"name": submodule.name, "revision": submodule.revision} for submodule in modules.submodules_of(module)
        ],
    }


def _build(schema: Schema, name: str, content: Plain) -> Value:
    node = schema.find(f"/{_MODULE}:{name}")
    assert isinstance(node, InnerNode)
    return build(node, content)

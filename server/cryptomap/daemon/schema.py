"""The schema a server with these settings serves; a stored configuration is read under the same one."""

from __future__ import annotations

from cryptomap.daemon.settings import Settings
from cryptomap.datastore.statedir import StateDirectory
from cryptomap.schema.cache import load_cached
from cryptomap.schema.modules import RESTCONF_MODULES, default_module_names
from cryptomap.schema.nodes import Schema

__all__ = ["load_schema"]


def load_schema(settings: Settings, state: StateDirectory) -> Schema:
    """Raises SchemaFault."""
    names = [*default_module_names(), *(RESTCONF_MODULES if settings.restconf.listen else ())]
    return load_cached(state.path / "schema", names, settings.server.yang_dirs, _features(settings))


def _features(settings: Settings) -> dict[str, tuple[str, ...]]:
    """The features of ietf-netconf that are on: they announce what this server has been told to offer."""
    always = ("candidate", "confirmed-commit", "rollback-on-error", "validate", "xpath")
    server = settings.server
    options = {
        "startup": server.startup_datastore,
        "url": server.url_dir is not None,
        "writable-running": server.writable_running,
    }
    return {"ietf-netconf": (*always, *[name for name, is_on in options.items() if is_on])}

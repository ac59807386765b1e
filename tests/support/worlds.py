"""Schemas, random edits of them, and configurations to start from: the adversarial modules and our own."""

from __future__ import annotations

import shutil
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from lxml import etree

from cryptomap.data.edit import edit
from cryptomap.data.tree import Node
from cryptomap.errors import RpcErrors
from cryptomap.schema.modules import load, own_module_names
from cryptomap.schema.nodes import Schema
from cryptomap.schema.sources import own_directory
from support.random_edits import EditMaker
from support.yanglint import Yanglint

__all__ = ["SETS", "Script", "World", "make_world", "scripts"]

MODULES = Path(__file__).parents[1] / "unit/data/validation/modules"
SETS = [*sorted(path.name for path in MODULES.iterdir()), "product"]
FEATURES = {"kinds": {"kinds-base": ["wings"]}}
DUCK = "/kinds-base:zoo/kinds-base:cage[kinds-base:kind='kinds-base:duck'][kinds-base:number='0']"
GOOSE = "/kinds-base:zoo/kinds-base:cage[kinds-base:kind='kinds-more:goose'][kinds-base:number='1']"
INSTANCES = [DUCK, GOOSE, *[f"{DUCK}/kinds-base:{leaf}" for leaf in ("number", "food", "much", "guest")]]


@dataclass(frozen=True)
class Script:
    """Edits to commit one after the other: (edit-config, whether a candidate that is refused with it is kept and edited
    on). ``starts``: after the configuration to start from, else from nothing."""

    starts: bool
    documents: tuple[tuple[str, bool], ...]


@dataclass
class World:
    """A schema, edits of it, a configuration to start from, and libyang with the same modules (``None`` where it is
    missing)."""

    schema: Schema
    maker: EditMaker
    libyang: Yanglint | None
    start: str

    def documents(self, script: Script) -> list[tuple[str, bool]]:
        """All edits of a script."""
        return [*([(self.start, False)] if script.starts else []), *script.documents]

    def edited(self, candidate: Node, text: str) -> Node:
        """The candidate after an edit; as it is if the edit is refused, for it inserts at what is not there."""
        try:
            return edit(self.schema, candidate, etree.fromstring(text))
        except RpcErrors:
            return candidate


@st.composite
def scripts(draw: st.DrawFn, world: World) -> Script:
    """Random scripts."""

    def choose(options: Sequence[Any]) -> Any:
        return options[draw(st.integers(0, len(options) - 1))]

    count = draw(st.integers(1, 10))
    documents = [
        (etree.tostring(world.maker.edit(choose), encoding="unicode"), draw(st.booleans())) for _ in range(count)
    ]
    return Script(draw(st.booleans()), tuple(documents))


def yanglint(modules: Sequence[Path], search: Sequence[Path], features: Sequence[str] = ()) -> Yanglint | None:
    return Yanglint(modules, search, features) if shutil.which("yanglint") else None


PRODUCT_SKIPS = {
    "allow-cert-enc-cert-hash-url", "allow-custom-fqdn-idr", "authentication", "blacklist", "ca-certificate",
    "ca-crl", "certificate", "ddos", "description", "dh-exponential-reuse-group", "fragmentation", "keepalive",
    "lifetime-kilobytes", "lifetime-sequence-number", "max-childsa", "max-retransmissions", "natt", "notify-payload",
    "ocsp", "remote-secret-list", "retransmission-exponential", "retransmission-timeout", "session-key",
    "setup-timer", "tsi", "tsr", "whitelist",
}  # fmt: skip
"""Nodes that no constraint looks at."""


def product_world() -> World:
    """Our own modules: small IPsec configurations, and edits of what constraints are about."""
    schema = load(own_module_names())
    maker = EditMaker(schema, skip=frozenset(PRODUCT_SKIPS), tops=frozenset({"contexts", "qos"}))
    standard = Path(sysconfig.get_path("data"), "share/yang/modules")
    libyang = yanglint(sorted(own_directory().glob("*.yang")), [own_directory(), standard / "ietf", standard / "iana"])
    return World(schema, maker, libyang, (MODULES.parent / "product.xml").read_text())


def make_world(name: str) -> World:
    """The world of a set of modules."""
    if name == "product":
        return product_world()
    directory = MODULES / name
    features = FEATURES.get(name)
    schema = load([], [directory], features)
    on = [f"{module}:{name}" for module, names in (features or {}).items() for name in names]
    modules = [path for path in sorted(directory.iterdir()) if path.read_text().startswith("module")]
    maker = EditMaker(schema, instances=INSTANCES)
    return World(schema, maker, yanglint(modules, [directory], on), (directory / "start.xml").read_text())

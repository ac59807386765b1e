"""Violations as the rpc-errors RFC 7950 section 15 prescribes, collected up to a bound, each named once."""

from __future__ import annotations

from collections.abc import Iterator

from cryptomap.data.path import text_of, to_xpath
from cryptomap.data.tree import Path
from cryptomap.data.validation.constraints import Constraint, Unique
from cryptomap.data.validation.instances import path_at
from cryptomap.data.validation.leafrefs import references_of
from cryptomap.data.validation.references import Keys
from cryptomap.data.validation.structure import Missing
from cryptomap.data.xpath import Cursor
from cryptomap.errors import DataMissing, ErrorPath, OperationFailed, RpcError, RpcErrors, UnknownElement
from cryptomap.schema.nodes import DataNode, InnerNode, Leaf, LeafList, ListNode, Schema
from cryptomap.schema.types import LeafrefType

__all__ = ["Violations", "path_at"]

YANG = "urn:ietf:params:xml:ns:yang:1"
BOUND = 100


class Violations:
    """Collects; :meth:`check` raises what was found."""

    def __init__(self, schema: Schema, bound: int = BOUND) -> None:
        self._schema = schema
        self._bound = bound
        self._found: dict[tuple[str, str], RpcError] = {}
        self.places: list[Path] = []
        """The instances at fault."""

    def __len__(self) -> int:
        return len(self._found)

    @property
    def is_full(self) -> bool:
        """Whether there may be more than were collected."""
        return len(self._found) >= self._bound

    @property
    def errors(self) -> list[RpcError]:
        """All that was collected, in path order."""
        return sorted(self._found.values(), key=lambda error: (str(error.path), error.message))

    def check(self) -> None:
        """Raise RpcErrors with all that was collected; do nothing if there is none."""
        if self._found:
            raise RpcErrors(self.errors)

    def constraint(self, constraint: Constraint, at: Cursor) -> None:
        """A must, when or leafref that does not hold at an instance."""
        if constraint.kind == "must":
            message = constraint.message or f"the condition of the model does not hold: {constraint.text}"
            app_tag = constraint.app_tag or "must-violation"
            self._add(OperationFailed(message, app_tag=app_tag, path=self._path(at.path)), at.path)
        elif constraint.kind == "when":
            message = f"{at.schema.name} is not allowed here: it exists only when {constraint.text}"
            info = (("bad-element", at.schema.name),)
            self._add(UnknownElement(message, path=self._path(at.path), info=info), at.path)
        else:
            wanted = f"{_wanted(constraint.node)} {at.value!r}"
            message = f"{_referring(at)} names {at.value!r}, but there is no {wanted}: create it, or name another"
            self._add(DataMissing(message, app_tag="instance-required", path=self._path(at.path)), at.path)

    def structure(self, fault: Missing) -> None:
        if fault.what == "choice":
            self._missing_choice(fault)
        elif fault.node is not None:
            path = (*fault.at.path, (fault.node, None))
            if fault.what == "missing":
                message = f"{fault.node.name} must be given for {text_of(fault.at.path)}"
                self._add(DataMissing(message, path=self._path(path), info=(("bad-element", fault.node.name),)), path)
            else:
                self._elements(fault, fault.node, path)

    def not_unique(self, unique: Unique, holders: tuple[Keys, ...]) -> None:
        paths = [path_at(unique.node, keys) for keys in holders]
        names = " and ".join([text_of(path) for path in paths])
        message = f"{names} have the same value of {unique.text}, which must be unique"
        leafs = [(*path, *way) for path in paths for way in _ways(unique)]
        info = [(f"{{{YANG}}}non-unique", self._path(leaf)) for leaf in leafs]
        self._add(OperationFailed(message, app_tag="data-not-unique", path=self._path(paths[0]), info=info), *paths)

    def _missing_choice(self, fault: Missing) -> None:
        assert fault.choice is not None
        cases = ", ".join([case.name for case in fault.choice.cases])
        message = f"one of {cases} must be given (choice {fault.choice.name}) for {text_of(fault.at.path)}"
        info = ((f"{{{YANG}}}missing-choice", fault.choice.name),)
        path = fault.at.path
        self._add(DataMissing(message, app_tag="missing-choice", path=self._path(path), info=info), path)

    def _elements(self, fault: Missing, node: DataNode, path: Path) -> None:
        assert isinstance(node, (ListNode, LeafList))
        if fault.what == "too-many":
            message, tag = f"at most {node.max_elements} {node.name} are allowed", "too-many-elements"
        else:
            message, tag = f"at least {node.min_elements} {node.name} must be given", "too-few-elements"
        self._add(OperationFailed(f"{message} for {text_of(fault.at.path)}", app_tag=tag, path=self._path(path)), path)

    def _path(self, path: Path) -> ErrorPath:
        return to_xpath(self._schema, path)

    def _add(self, error: RpcError, *places: Path) -> None:
        if not self.is_full:
            self._found.setdefault((str(error.path), error.message), error)
            self.places += places


def _ways(unique: Unique) -> Iterator[Path]:
    """The way from an entry to each leaf of a unique statement."""
    for slots in unique.paths:
        node: DataNode = unique.node
        way: list[tuple[DataNode, None]] = []
        for slot in slots:
            assert isinstance(node, InnerNode)
            node = node.children[slot]
            way.append((node, None))
        yield tuple(way)


def _referring(at: Cursor) -> str:
    """The leaf in words. One that is called "name" says little: then it is the list or container around it."""
    parent = at.parent
    return parent.schema.name if at.schema.name == "name" and parent is not None else at.schema.name


def _wanted(node: DataNode) -> str:
    assert isinstance(node, (Leaf, LeafList))
    target = next((kind.target_node for kind in references_of(node.type) if isinstance(kind, LeafrefType)), None)
    return f"{target.parent.name} with {target.name}" if target and target.parent else "instance named"

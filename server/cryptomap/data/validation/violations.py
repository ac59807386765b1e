"""Violations as the rpc-errors RFC 7950 section 15 prescribes, collected up to a bound, each named once."""

from __future__ import annotations

from cryptomap.data.path import text_of, to_xpath
from cryptomap.data.tree import Path
from cryptomap.data.validation.constraints import Constraint, Unique
from cryptomap.data.validation.dependencies import chain_of
from cryptomap.data.validation.references import Keys
from cryptomap.data.validation.structure import Missing
from cryptomap.data.xpath import Cursor
from cryptomap.errors import DataMissing, ErrorPath, OperationFailed, RpcError, RpcErrors, UnknownElement
from cryptomap.schema.nodes import DataNode, Leaf, LeafList, ListNode, Schema
from cryptomap.schema.types import LeafrefType, Type, TypeFault, UnionType

__all__ = ["Violations", "path_at"]

YANG = "urn:ietf:params:xml:ns:yang:1"
BOUND = 100


def path_at(node: DataNode, keys: Keys) -> Path:
    """The instance path of a schema node with the keys along it."""
    rest = iter(keys)
    return tuple(
        [(step, next(rest, None) if isinstance(step, (ListNode, LeafList)) else None) for step in chain_of(node)]
    )


class Violations:
    """Collects; :meth:`check` raises what was found."""

    def __init__(self, schema: Schema, bound: int = BOUND) -> None:
        self._schema = schema
        self._bound = bound
        self._found: dict[tuple[str, str], RpcError] = {}

    def __len__(self) -> int:
        return len(self._found)

    def check(self) -> None:
        """Raise RpcErrors with all that was collected, in path order; do nothing if there is none."""
        if self._found:
            errors = sorted(self._found.values(), key=lambda error: (str(error.path), error.message))
            raise RpcErrors(errors[: self._bound])

    def must(self, constraint: Constraint, at: Cursor) -> None:
        message = constraint.message or f"the condition of the model does not hold: {constraint.text}"
        self._add(OperationFailed(message, app_tag=constraint.app_tag or "must-violation", path=self._path(at.path)))

    def dangling(self, constraint: Constraint, at: Cursor) -> None:
        target = _target(constraint.node)
        wanted = f"{target.parent.name} with {target.name}" if target and target.parent else "instance named"
        message = (
            f"{at.schema.name} names {at.value!r}, but there is no {wanted} {at.value!r}: create it, or name another"
        )
        self._add(DataMissing(message, app_tag="instance-required", path=self._path(at.path)))

    def fits_another_member(self, at: Cursor) -> bool:
        """Whether a union's value also fits a member that refers to nothing."""
        assert isinstance(at.schema, (Leaf, LeafList))
        return isinstance(at.value, str) and _fits_plain_member(at.schema.type, at.value)

    def when(self, constraint: Constraint, at: Cursor) -> None:
        message = f"{at.schema.name} is not allowed here: it exists only when {constraint.text}"
        self._add(
            UnknownElement(message, path=self._path(at.path), info=(("bad-element", at.schema.name),))
        )  # fmt: skip

    def structure(self, fault: Missing) -> None:
        if fault.what == "choice":
            self._missing_choice(fault)
        elif fault.node is not None:
            path = (*fault.at.path, (fault.node, None))
            if fault.what == "missing":
                message = f"{fault.node.name} must be given for {text_of(fault.at.path)}"
                self._add(DataMissing(message, path=self._path(path), info=(("bad-element", fault.node.name),)))
            else:
                self._elements(fault, fault.node, path)

    def not_unique(self, unique: Unique, holders: tuple[Keys, ...]) -> None:
        paths = [path_at(unique.node, keys) for keys in holders]
        names = " and ".join([text_of(path) for path in paths])
        message = f"{names} have the same value of {unique.text}, which must be unique"
        info = [(f"{{{YANG}}}non-unique", str(self._path(path))) for path in paths]
        self._add(
            OperationFailed(
                message, app_tag="data-not-unique", path=self._path(paths[0][:-1] + paths[0][-1:]), info=info
            )
        )

    def _missing_choice(self, fault: Missing) -> None:
        assert fault.choice is not None
        cases = ", ".join([case.name for case in fault.choice.cases])
        message = f"one of {cases} must be given (choice {fault.choice.name}) for {text_of(fault.at.path)}"
        info = ((f"{{{YANG}}}missing-choice", fault.choice.name),)
        self._add(DataMissing(message, app_tag="missing-choice", path=self._path(fault.at.path), info=info))

    def _elements(self, fault: Missing, node: DataNode, path: Path) -> None:
        assert isinstance(node, (ListNode, LeafList))
        if fault.what == "too-many":
            message, tag = f"at most {node.max_elements} {node.name} are allowed", "too-many-elements"
        else:
            message, tag = f"at least {node.min_elements} {node.name} must be given", "too-few-elements"
        self._add(OperationFailed(f"{message} for {text_of(fault.at.path)}", app_tag=tag, path=self._path(path)))

    def _path(self, path: Path) -> ErrorPath:
        return to_xpath(self._schema, path)

    def _add(self, error: RpcError) -> None:
        if len(self._found) < self._bound:
            self._found.setdefault((str(error.path), error.message), error)


def _target(node: DataNode) -> Leaf | LeafList | None:
    assert isinstance(node, (Leaf, LeafList))
    found = [kind for kind in _members(node.type) if isinstance(kind, LeafrefType)]
    return found[0].target_node if found else None


def _members(kind: Type) -> list[Type]:
    return [found for member in kind.members for found in _members(member)] if isinstance(kind, UnionType) else [kind]


def _fits_plain_member(kind: Type, value: str) -> bool:
    for member in _members(kind):
        if isinstance(member, LeafrefType) and member.require_instance:
            continue
        try:
            member.parse(value)
        except TypeFault:
            continue
        return True
    return False

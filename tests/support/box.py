"""A configuration in a test: edits as literal XML, commits as validation, verdicts as short tuples."""

from __future__ import annotations

from lxml import etree

from cryptomap.data.edit import edit
from cryptomap.data.tree import Node
from cryptomap.data.validation import Snapshot, empty_snapshot, validate
from cryptomap.errors import RpcError, RpcErrors
from cryptomap.schema.nodes import Schema

NC = "urn:ietf:params:xml:ns:netconf:base:1.0"


class Box:
    """Running and a candidate over one schema; ``namespace`` is the default one of the edits' texts."""

    def __init__(self, schema: Schema, namespace: str) -> None:
        self.schema = schema
        self.namespace = namespace
        self.running = empty_snapshot(schema)
        self.candidate = self.running.root

    def edit(self, xml: str, default_operation: str = "merge") -> None:
        """Apply children of <config>; the prefix ``nc`` is bound to the NETCONF base namespace."""
        text = f'<nc:config xmlns:nc="{NC}" xmlns="{self.namespace}">{xml}</nc:config>'
        config = etree.fromstring(text)
        self.candidate = edit(self.schema, self.candidate, config, default_operation=default_operation)

    def commit(self) -> list[RpcError]:
        """The violations; none if the candidate has become running. A refused candidate is discarded."""
        try:
            self.running = validate(self.schema, self.candidate, self.running)
        except RpcErrors as errors:
            self.candidate = self.running.root
            return list(errors.errors)
        self.candidate = self.running.root
        return []

    def change(self, xml: str) -> list[tuple[str, str | None, str]]:
        """Edit and commit; (error-tag, error-app-tag, error-path) of each violation."""
        self.edit(xml)
        return [(error.tag, error.app_tag, str(error.path)) for error in self.commit()]


def full_verdict(schema: Schema, root: Node) -> Snapshot | tuple[str, ...]:
    """What validating everything says: the snapshot, or the violations' paths and tags."""
    try:
        return validate(schema, root, None)
    except RpcErrors as errors:
        return tuple(sorted(f"{error.tag} {error.app_tag} {error.path}" for error in errors.errors))

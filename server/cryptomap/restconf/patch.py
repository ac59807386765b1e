"""YANG Patch (RFC 8072): several edits in order, all or none, with a status that says which of them failed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from xml.sax.saxutils import escape

from lxml import etree

from cryptomap.data.json import parse_json
from cryptomap.data.tree import Node, Path
from cryptomap.errors import InvalidValue, MissingElement, RpcError, RpcErrors
from cryptomap.operations.redact import redacted
from cryptomap.restconf.body import Sent, parse_xml, read_element, read_object
from cryptomap.restconf.edit import Step, apply, change, require_writable
from cryptomap.restconf.faults import errors_json, errors_xml, status_of
from cryptomap.restconf.identifiers import parse_api_path
from cryptomap.restconf.media import PATCH, accepted, content_type
from cryptomap.restconf.messages import XML, Request, Response
from cryptomap.restconf.query import NONE, Query
from cryptomap.restconf.resource import Resource
from cryptomap.restconf.site import Site

__all__ = ["yang_patch"]

NAMESPACE: Final = "urn:ietf:params:xml:ns:yang:ietf-yang-patch"
_OPERATIONS: Final[Mapping[str, str]] = {
    "create": "create",
    "delete": "delete",
    "insert": "create",
    "merge": "merge",
    "move": "merge",
    "remove": "remove",
    "replace": "replace",
}
"""Each operation of a patch as that of edit-config."""
_PLACED: Final = ("insert", "move")
_WITH_VALUE: Final = ("create", "insert", "merge", "replace")
_PLACES: Final = ("first", "last", "before", "after")


@dataclass(frozen=True, slots=True)
class _Edit:
    """One edit as it came. ``value`` is the element or the JSON object with the instance."""

    id: str
    operation: str
    target: str
    where: str = "last"
    point: str | None = None
    value: Any = None


class _EditFault(Exception):
    """An edit that failed."""

    def __init__(self, edit: _Edit, faults: RpcErrors) -> None:
        super().__init__(edit.id)
        self.edit = edit
        self.faults = faults


async def yang_patch(site: Site, request: Request, resource: Resource) -> Response:
    """Apply the edits to a datastore or an instance, and commit them together."""
    Query(request.query, NONE)
    media = accepted(request.headers)
    require_writable(resource)
    is_xml = content_type(request.headers, PATCH) == PATCH[1]
    patch_id, edits = await site.server.aside.run(_from_xml if is_xml else _from_json, site, request.body)

    def make(root: Node) -> Node:
        for edit in edits:
            root = _applied(site, resource.path, root, edit)
        return root

    try:
        headers = await change(site, request, resource, make)
    except _EditFault as fault:
        return _refused(site, request, media, patch_id, fault.faults, fault.edit)
    except RpcErrors as faults:
        return _refused(site, request, media, patch_id, faults, None)
    except RpcError as error:
        return _refused(site, request, media, patch_id, RpcErrors([error]), None)
    return Response(200, {"content-type": media, **headers}, (_status(site, media, patch_id, None, None),))


# ===== reading =====


def _from_xml(site: Site, body: bytes) -> tuple[str, list[_Edit]]:
    root = parse_xml(site, body)
    if root.tag != f"{{{NAMESPACE}}}yang-patch":
        raise InvalidValue(f"the body is to be the element yang-patch of {NAMESPACE}", error_type="protocol")
    edits = []
    for element in root.iterfind(f"{{{NAMESPACE}}}edit"):
        fields: dict[str, Any] = {etree.QName(item).localname: (item.text or "").strip() for item in element}
        value = element.find(f"{{{NAMESPACE}}}value")
        fields["value"] = None if value is None else next(value.iterchildren(etree.Element), None)
        edits.append(fields)
    return _checked(root.findtext(f"{{{NAMESPACE}}}patch-id"), edits)


def _from_json(site: Site, body: bytes) -> tuple[str, list[_Edit]]:
    members = parse_json(body)
    patch = members.get("ietf-yang-patch:yang-patch") if isinstance(members, dict) else None
    if not isinstance(patch, dict):
        raise InvalidValue("the body is to have the member ietf-yang-patch:yang-patch", error_type="protocol")
    edits = patch.get("edit", [])
    if not isinstance(edits, list) or not all(isinstance(edit, dict) for edit in edits):
        raise InvalidValue("edit is to be an array of objects", error_type="protocol")
    return _checked(patch.get("patch-id"), edits)


def _checked(patch_id: object, edits: Iterable[Mapping[str, Any]]) -> tuple[str, list[_Edit]]:
    found = [_edit(fields) for fields in edits]
    if not isinstance(patch_id, str):
        raise _missing("patch-id")
    if len({edit.id for edit in found}) < len(found):
        raise InvalidValue("each edit needs an edit-id of its own", error_type="protocol")
    return patch_id, found


def _edit(fields: Mapping[str, Any]) -> _Edit:
    for name in ("edit-id", "operation", "target"):
        if not isinstance(fields.get(name), str):
            raise _missing(name)
    operation, where, point = fields["operation"], fields.get("where", "last"), fields.get("point")
    if operation not in _OPERATIONS:
        raise InvalidValue(f"operation '{operation[:40]}' is none of {', '.join(_OPERATIONS)}", error_type="protocol")
    if where not in _PLACES or (where in ("before", "after")) != isinstance(point, str):
        raise InvalidValue("where is first, last, before or after; the last two need a point", error_type="protocol")
    if operation in _WITH_VALUE and fields.get("value") is None:
        raise _missing("value")
    return _Edit(fields["edit-id"], operation, fields["target"], where, point, fields.get("value"))


def _missing(name: str) -> MissingElement:
    return MissingElement(f"the patch needs {name}", error_type="protocol", info=[("bad-element", name)])


# ===== applying =====


def _applied(site: Site, base: Path, root: Node, edit: _Edit) -> Node:
    try:
        return apply(site, root, _step(site, base, edit))
    except RpcErrors as faults:
        raise _EditFault(edit, faults) from None
    except RpcError as error:
        raise _EditFault(edit, RpcErrors([error])) from None


def _step(site: Site, base: Path, edit: _Edit) -> Step:
    path = parse_api_path(site.server.schema, edit.target, base)
    if not path:
        raise InvalidValue(
            "an edit is of an instance: a datastore as a whole is replaced by PUT", error_type="protocol"
        )
    step = Step(_OPERATIONS[edit.operation], path)
    if edit.operation in _WITH_VALUE:
        sent = _sent(site, edit, path[:-1])
        if sent.path != path:
            raise InvalidValue("value is another instance than target names", error_type="protocol")
        step.element = sent.element
    if edit.operation in _PLACED:
        step.insert = edit.where
        step.point = parse_api_path(site.server.schema, edit.point, base) if edit.point is not None else ()
        step.must_exist = path if edit.operation == "move" else None
    return step


def _sent(site: Site, edit: _Edit, base: Path) -> Sent:
    if isinstance(edit.value, etree._Element):
        return read_element(site, edit.value, base)
    return read_object(site, edit.value, base)


# ===== status =====


def _refused(
    site: Site, request: Request, media: str, patch_id: str, faults: RpcErrors, edit: _Edit | None
) -> Response:
    shown = redacted(site.server.schema, site.server.access.reader(request.user), faults)
    body = _status(site, media, patch_id, shown.errors, edit)
    return Response(status_of(shown.errors[0]), {"content-type": media, "cache-control": "no-cache"}, (body,))


def _status(site: Site, media: str, patch_id: str, errors: tuple[RpcError, ...] | None, edit: _Edit | None) -> bytes:
    if media == XML:
        return "".join(_status_xml(patch_id, errors, edit)).encode()
    content: dict[str, Any] = {"ok": [None]}
    if errors is not None:
        found = {"errors": errors_json(site.server.schema, errors)}
        content = found if edit is None else {"edit-status": {"edit": [{"edit-id": edit.id, **found}]}}
    return json.dumps({"ietf-yang-patch:yang-patch-status": {"patch-id": patch_id, **content}}).encode()


def _status_xml(patch_id: str, errors: tuple[RpcError, ...] | None, edit: _Edit | None) -> Iterator[str]:
    yield f'<yang-patch-status xmlns="{NAMESPACE}"><patch-id>{escape(patch_id)}</patch-id>'
    if errors is None:
        yield "<ok/>"
    else:
        written = errors_xml(errors, NAMESPACE).decode()
        if edit is not None:
            written = f"<edit-status><edit><edit-id>{escape(edit.id)}</edit-id>{written}</edit></edit-status>"
        yield written
    yield "</yang-patch-status>"

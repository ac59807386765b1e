"""Errors over HTTP (RFC 8040 section 7)."""

from __future__ import annotations

import json

import pytest

from cryptomap import errors
from cryptomap.errors import ErrorPath, RpcError
from cryptomap.restconf.faults import refusal, status_of
from cryptomap.restconf.messages import JSON, XML
from support.lab import door_schema

TABLE = {
    "in-use": {409},
    "invalid-value": {400, 404, 406},
    "too-big": {413, 400},
    "missing-attribute": {400},
    "bad-attribute": {400},
    "unknown-attribute": {400},
    "missing-element": {400},
    "bad-element": {400},
    "unknown-element": {400},
    "unknown-namespace": {400},
    "access-denied": {401, 403},
    "lock-denied": {409},
    "resource-denied": {409},
    "rollback-failed": {500},
    "data-exists": {409},
    "data-missing": {409},
    "operation-not-supported": {405, 501},
    "operation-failed": {412, 500},
    "malformed-message": {400},
}
KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, RpcError)]


@pytest.mark.parametrize("kind", KINDS)
def test_section_7_the_status_of_each_tag(kind: type[RpcError]) -> None:
    assert status_of(kind("text")) in TABLE[kind.tag]


def test_what_another_request_can_mend_is_no_fault_of_the_server() -> None:
    assert status_of(errors.OperationFailed("a rule", app_tag="day1-context")) == 412
    assert status_of(errors.OperationFailed("a bug")) == 500


def test_all_an_error_says() -> None:
    path = ErrorPath("/d:doors/d:door[d:name='x']", {"d": "urn:doors"})
    error = errors.InvalidValue(
        'no "such" <door>', path=path, app_tag="tag", info=[("bad-element", "door"), ("{urn:doors}near", path)]
    )
    shown = "/doors:doors/door[name='x']"
    response = refusal(door_schema(), [error, errors.InUse("later")], JSON)
    found = json.loads(b"".join(response.body))["ietf-restconf:errors"]["error"]  # type: ignore[arg-type]
    assert found[0] == {
        "error-type": "application",
        "error-tag": "invalid-value",
        "error-app-tag": "tag",
        "error-path": shown,
        "error-message": 'no "such" <door>',
        "error-info": {"bad-element": "door", "doors:near": shown},
    }
    assert (response.status, found[1]["error-tag"]) == (400, "in-use")
    text = b"".join(refusal(door_schema(), [error], XML).body)  # type: ignore[arg-type]
    assert b'<error-path xmlns:d="urn:doors">' in text
    assert b'no "such" &lt;door&gt;</error-message>' in text

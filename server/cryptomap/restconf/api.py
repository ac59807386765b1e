"""What says what there is: the API resource, its operations, host-meta, and the state of ietf-restconf-monitoring
(RFC 8040 sections 3.1, 3.3 and 9)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Final

from cryptomap.data.build import Plain, build, date_and_time
from cryptomap.data.view import Provider
from cryptomap.operations.notifications.subscription import STREAM
from cryptomap.operations.server import Server
from cryptomap.operations.with_defaults import BASIC_MODE
from cryptomap.restconf.events import ENCODINGS
from cryptomap.restconf.invoke import offered
from cryptomap.restconf.media import accepted
from cryptomap.restconf.messages import RESTCONF, XML, Request, Response
from cryptomap.restconf.query import NONE, Query
from cryptomap.restconf.resource import Resource
from cryptomap.restconf.site import ROOT, Site
from cryptomap.schema.nodes import InnerNode

__all__ = ["HOST_META", "api", "host_meta", "library_version", "operations", "providers"]

HOST_META: Final = "/.well-known/host-meta"
_XRD: Final = "http://docs.oasis-open.org/ns/xri/xrd-1.0"
_CAPABILITY: Final = "urn:ietf:params:restconf:capability:"
CAPABILITIES: Final = (
    f"{_CAPABILITY}defaults:1.0?basic-mode={BASIC_MODE}",
    *(f"{_CAPABILITY}{name}:1.0" for name in ("depth", "fields", "filter", "with-defaults", "yang-patch")),
)
_REPLAY: Final = f"{_CAPABILITY}replay:1.0"


def host_meta() -> Response:
    """Where the API is (section 3.1)."""
    text = f"<XRD xmlns='{_XRD}'><Link rel='restconf' href='{ROOT}'/></XRD>"
    return Response(200, {"content-type": "application/xrd+xml"}, (text.encode(),))


async def api(site: Site, request: Request, resource: Resource) -> Response:
    """The API resource."""
    version = _library_revision(site.server)
    if _media(request) == XML:
        body = f"<data/><operations/><yang-library-version>{version}</yang-library-version>"
        return _written(XML, f'<restconf xmlns="{RESTCONF}">{body}</restconf>')
    content = {"data": {}, "operations": {}, "yang-library-version": version}
    return _written(_media(request), json.dumps({"ietf-restconf:restconf": content}))


async def library_version(site: Site, request: Request, resource: Resource) -> Response:
    """The revision of ietf-yang-library (section 3.3.3)."""
    version = _library_revision(site.server)
    if _media(request) == XML:
        text = f'<yang-library-version xmlns="{RESTCONF}">{version}</yang-library-version>'
        return _written(XML, text)
    return _written(_media(request), json.dumps({"ietf-restconf:yang-library-version": version}))


async def operations(site: Site, request: Request, resource: Resource) -> Response:
    """The operations there are (section 3.3.2)."""
    found = sorted(offered(site.server), key=lambda operation: operation.qname)
    namespaces = site.server.schema.namespace_of_module
    if _media(request) == XML:
        listed = "".join(f'<{item.name} xmlns="{namespaces[item.module]}"/>' for item in found)
        return _written(XML, f'<operations xmlns="{RESTCONF}">{listed}</operations>')
    content = {item.qname: [None] for item in found}
    return _written(_media(request), json.dumps({"ietf-restconf:operations": content}))


def _media(request: Request) -> str:
    Query(request.query, NONE)
    return accepted(request.headers)


def _written(media: str, text: str) -> Response:
    return Response(200, {"content-type": media, "cache-control": "no-cache"}, (text.encode(),))


def _library_revision(server: Server) -> str:
    return server.schema.modules["ietf-yang-library"].revision


# ===== monitoring =====


def providers(server: Server, address: Callable[[], str]) -> Mapping[str, Provider]:
    """restconf-state by schema path, empty if its module is not there. ``address`` is what URLs begin with."""
    node = server.schema.root.by_qname.get("ietf-restconf-monitoring:restconf-state")
    if not isinstance(node, InnerNode):
        return {}
    return {node.path: lambda path: build(node, _state(server, address()))}


def _state(server: Server, address: str) -> Plain:
    replay = server.notifier.replay
    capabilities = [*CAPABILITIES, *([_REPLAY] if replay else [])]
    stream: Plain = {
        "name": STREAM,
        "description": "All notifications of all modules of this server.",
        "replay-support": "true" if replay else "false",
        "replay-log-creation-time": date_and_time(replay.created) if replay else None,
        "access": [
            {"encoding": encoding, "location": f"{address}{ROOT}/streams/{STREAM}/{encoding}"} for encoding in ENCODINGS
        ],
    }
    return {"capabilities": {"capability": capabilities}, "streams": {"stream": [stream]}}

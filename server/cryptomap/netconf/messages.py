"""The messages of NETCONF as XML, written and read: hello, rpc, rpc-reply, rpc-error, notification.

A reply mirrors every attribute and every namespace declaration of its rpc, and is written with the same prefix, as
RFC 6241 section 4.2 asks. What goes inside a reply declares its own namespaces, because the client's declarations may
make any prefix, and the default namespace, mean anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

from cryptomap import errors
from cryptomap.errors import ErrorPath, ErrorStructure, Info, OperationFailed, RpcError
from cryptomap.netconf.events import Request
from cryptomap.netconf.states import Violation

__all__ = [
    "BASE",
    "NOTIFICATION",
    "error_elements",
    "error_fields",
    "hello",
    "notification",
    "ok_element",
    "read_errors",
    "read_hello",
    "reply_tags",
    "request_of",
    "rpc",
]

BASE: Final = "urn:ietf:params:xml:ns:netconf:base:1.0"
NOTIFICATION: Final = "urn:ietf:params:xml:ns:netconf:notification:1.0"
_XML: Final = "http://www.w3.org/XML/1998/namespace"
_NO_REQUEST: Final = Request(None, {}, {None: BASE}, None)
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_PREFIX = re.compile(r"([A-Za-z_][\w.-]*):")
_BY_TAG: Final[Mapping[str, type[RpcError]]] = {
    cls.tag: cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, RpcError)
} | {OperationFailed.tag: OperationFailed}


def hello(capabilities: Iterable[str], session_id: int | None = None) -> bytes:
    """The hello; a server gives its session id, a client must not (RFC 6241 section 8.1)."""
    listed = "".join(f"<capability>{_text(capability)}</capability>" for capability in capabilities)
    identity = "" if session_id is None else f"<session-id>{session_id}</session-id>"
    return f'<hello xmlns="{BASE}"><capabilities>{listed}</capabilities>{identity}</hello>'.encode()


def read_hello(element: etree._Element) -> tuple[tuple[str, ...], int | None]:
    """Capabilities and session id (None if absent) of a hello; raises Violation for what is none."""
    if element.tag != f"{{{BASE}}}hello":
        raise Violation(f"the first message must be <hello> of {BASE}, not <{element.tag}>")
    capabilities = tuple(
        (c.text or "").strip() for c in element.iterfind(f"{{{BASE}}}capabilities/{{{BASE}}}capability")
    )
    text = element.findtext(f"{{{BASE}}}session-id")
    return capabilities, None if text is None else _session_id(text.strip())


def _session_id(text: str) -> int:
    if not re.fullmatch("0*[1-9][0-9]{0,9}", text) or int(text) > 4294967295:
        raise Violation(f"session-id {text[:40]!r} is not a number from 1 to 4294967295")
    return int(text)


def rpc(message_id: str, operation: bytes, attributes: Mapping[str, str]) -> bytes:
    """An rpc around ``operation``, a complete element that declares its own namespaces; attributes have none."""
    all_attributes = {"message-id": message_id, **attributes}
    written = "".join(f" {name}={_quoted(value)}" for name, value in all_attributes.items())
    return b"".join((f'<rpc xmlns="{BASE}"{written}>'.encode(), operation, b"</rpc>"))


def request_of(element: etree._Element) -> Request:
    """What a reply must mirror of this rpc."""
    attributes = {str(name): str(value) for name, value in element.attrib.items()}
    return Request(attributes.get("message-id"), attributes, dict(element.nsmap), element.prefix)


def reply_tags(request: Request | None) -> tuple[bytes, bytes]:
    """Start and end tag of the reply to ``request`` (None: to a message that could not be read)."""
    request = request or _NO_REQUEST
    name = f"{request.prefix}:rpc-reply" if request.prefix else "rpc-reply"
    written = "".join(_declarations(request.nsmap)) + "".join(
        f" {_attribute_name(key, request.nsmap)}={_quoted(value)}" for key, value in request.attributes.items()
    )
    return f"<{name}{written}>".encode(), f"</{name}>".encode()


def _declarations(nsmap: Mapping[str | None, str]) -> Iterable[str]:
    for prefix, namespace in nsmap.items():
        yield f" xmlns:{prefix}={_quoted(namespace)}" if prefix else f" xmlns={_quoted(namespace)}"


def _attribute_name(name: str, nsmap: Mapping[str | None, str]) -> str:
    namespace, brace, local = name[1:].partition("}") if name.startswith("{") else ("", "", name)
    if not brace:
        return local
    if namespace == _XML:
        return f"xml:{local}"
    return next(f"{prefix}:{local}" for prefix, bound in nsmap.items() if prefix and bound == namespace)


def ok_element(request: Request | None) -> bytes:
    """``<ok/>`` as it must be written inside the reply to ``request``."""
    return f"<ok{_own_namespace(request)}/>".encode()


def error_elements(request: Request | None, faults: Iterable[RpcError]) -> bytes:
    """One ``rpc-error`` for each of ``faults`` (RFC 6241 section 4.3)."""
    return "".join(_error(fault, _own_namespace(request)) for fault in faults).encode()


def _own_namespace(request: Request | None) -> str:
    """The declaration an element of the base namespace needs directly below the reply."""
    default = (request or _NO_REQUEST).nsmap.get(None)
    return "" if default == BASE else f' xmlns="{BASE}"'


def _error(fault: RpcError, declaration: str) -> str:
    severity = f"<error-severity>{_text(fault.severity)}</error-severity>"
    return f"<rpc-error{declaration}>{error_fields(fault, severity)}</rpc-error>"


def error_fields(fault: RpcError, severity: str = "") -> str:
    """What an error says of itself, as elements; ``severity`` is the one that RESTCONF's errors do not have."""
    app_tag = f"<error-app-tag>{_text(fault.app_tag)}</error-app-tag>" if fault.app_tag else ""
    return (
        f"<error-type>{_text(fault.error_type)}</error-type>"
        f"<error-tag>{fault.tag}</error-tag>"
        f"{severity}{app_tag}{_error_path(fault.path)}"
        f'<error-message xml:lang="en">{_text(fault.message)}</error-message>'
        f"{_error_info(fault.info)}"
    )


def _error_path(path: ErrorPath | None) -> str:
    if path is None:
        return ""
    return f"<error-path{_prefixes_of(path)}>{_text(path.text)}</error-path>"


def _prefixes_of(value: ErrorPath | ErrorStructure) -> str:
    return "".join(f" xmlns:{prefix}={_quoted(namespace)}" for prefix, namespace in value.namespaces.items())


def _error_info(info: Iterable[tuple[str, Info]]) -> str:
    written = "".join(_info_element(name, value) for name, value in info)
    return f"<error-info>{written}</error-info>" if written else ""


def _info_element(name: str, value: Info) -> str:
    namespace, _, local = name[1:].partition("}") if name.startswith("{") else ("", "", name)
    declared = f" xmlns={_quoted(namespace)}" if namespace else ""
    if isinstance(value, (ErrorPath, ErrorStructure)):
        declared += _prefixes_of(value)
    leafs = value.leafs if isinstance(value, ErrorStructure) else ()
    content = "".join(f"<{leaf}>{_text(text)}</{leaf}>" for leaf, text in leafs) or _text(str(value))
    return f"<{local}{declared}>{content}</{local}>"


def read_errors(reply: etree._Element) -> tuple[RpcError, ...]:
    """The rpc-errors (and warnings) of a reply, each as the class of its tag; an unknown tag is operation-failed."""
    return tuple(_read_error(element) for element in reply.iterfind(f"{{{BASE}}}rpc-error"))


def _read_error(element: etree._Element) -> RpcError:
    return _BY_TAG.get(_child_text(element, "error-tag"), OperationFailed)(
        _child_text(element, "error-message"),
        error_type=_child_text(element, "error-type"),
        severity=_child_text(element, "error-severity"),
        app_tag=_child_text(element, "error-app-tag") or None,
        path=_read_path(element.find(f"{{{BASE}}}error-path")),
        info=[
            (str(child.tag).removeprefix(f"{{{BASE}}}"), child.text or "")
            for child in element.iterfind(f"{{{BASE}}}error-info/*")
        ],
    )


def _read_path(element: etree._Element | None) -> ErrorPath | None:
    if element is None:
        return None
    text = (element.text or "").strip()
    used = set(_PREFIX.findall(text))
    return ErrorPath(text, {prefix: uri for prefix, uri in element.nsmap.items() if prefix and prefix in used})


def _child_text(element: etree._Element, name: str) -> str:
    return (element.findtext(f"{{{BASE}}}{name}") or "").strip()


def notification(event_time: str, body: bytes) -> bytes:
    """A notification around ``body``, a complete element (RFC 5277 section 4); ``event_time`` is RFC 3339."""
    start = f'<notification xmlns="{NOTIFICATION}"><eventTime>{_text(event_time)}</eventTime>'
    return b"".join((start.encode(), body, b"</notification>"))


def _text(text: str) -> str:
    """Escaped for element content; what XML cannot say at all becomes U+FFFD."""
    return escape(_NOT_XML.sub("\ufffd", text), {"\r": "&#13;"})


def _quoted(text: str) -> str:
    """Escaped and quoted for an attribute, so that a parser reads back exactly this text."""
    return quoteattr(_NOT_XML.sub("\ufffd", text))

"""edit-config, copy-config and delete-config (RFC 6241 sections 7.2 to 7.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lxml import etree

from cryptomap.data.tree import Node, reuse
from cryptomap.data.view import View
from cryptomap.data.xml import WriteOptions, read_config, write
from cryptomap.errors import BadElement, InvalidValue
from cryptomap.operations.call import Call, Reply
from cryptomap.operations.parameters import Parameters
from cryptomap.operations.url import Url
from cryptomap.operations.with_defaults import BASIC_MODE, WITH_DEFAULTS, mode_of, shows_unset, with_defaults

if TYPE_CHECKING:
    from cryptomap.operations.server import Server

__all__ = ["copy_config", "delete_config", "edit_config", "inline", "source_of"]

_DEFAULT_OPERATIONS: Final = ("merge", "replace", "none")
_TEST_OPTIONS: Final = ("test-then-set", "set", "test-only")
_ERROR_OPTIONS: Final = ("stop-on-error", "continue-on-error", "rollback-on-error")


async def edit_config(call: Call) -> Reply:
    """All faults of the edit are reported at once. A test-option that is not given is ``set``: the constraints of a
    candidate are checked when it is validated or committed (RFC 7950 section 8.3.3), unless the client asks for it."""
    parameters = Parameters(call.element, "target", "default-operation", "test-option", "error-option", "config", "url")
    target = parameters.datastore("target")
    options = {
        "default_operation": parameters.choice("default-operation", _DEFAULT_OPERATIONS) or "merge",
        "error_option": parameters.choice("error-option", _ERROR_OPTIONS) or "stop-on-error",
        "test_option": parameters.choice("test-option", _TEST_OPTIONS) or "set",
    }
    config = await _config(call, parameters)
    await call.server.writer.run(call.server.datastores.edit, call.origin, target, config, **options)
    return None


async def _config(call: Call, parameters: Parameters) -> etree._Element:
    if parameters.has("url") and not parameters.has("config"):
        return await call.server.aside.run(call.server.files.read, Url(parameters.need_text("url")))
    if parameters.has("url"):
        info = [("bad-element", "url")]
        raise BadElement("edit-config takes either config or url", error_type="protocol", info=info)
    return parameters.need("config")


async def copy_config(call: Call) -> Reply:
    """The whole target becomes the source: a datastore, a file, or a configuration inside the message. Defaults are
    copied as ``with-defaults`` says (RFC 6243 section 4.5.3)."""
    parameters = Parameters(call.element, "target", "source", WITH_DEFAULTS)
    target, mode = parameters.target(), mode_of(parameters)
    place = parameters.place("source")
    if place == target:
        raise InvalidValue(
            f"source and target are both {target.text if isinstance(target, Url) else target}", error_type="protocol"
        )
    source = await inline(call, place)
    if isinstance(target, Url):
        await call.server.aside.run(_save, call, target, source, mode)
    else:
        await call.server.writer.run(_copy, call, target, source, mode)
    return None


async def inline(call: Call, place: str | Url | etree._Element) -> str | etree._Element:
    """A source parameter with the content of the file, if it names one."""
    return await call.server.aside.run(call.server.files.read, place) if isinstance(place, Url) else place


def _copy(call: Call, target: str, source: str | etree._Element, mode: str) -> None:
    """Saving running to startup takes no right but that to the operation. In all other cases what the user may not read
    of a datastore is not copied (RFC 8341 section 3.2.6), so that it would be deleted from the target."""
    server, is_saving = call.server, (source, target) == ("running", "startup")
    found = source_of(server, source)
    root = server.datastores.read(found, call.session.id) if isinstance(found, str) else found
    if isinstance(found, str) and not is_saving:
        root = _readable(server, root, call.session.user)
    if mode != BASIC_MODE:
        root = with_defaults(server.schema, root, mode)
    server.datastores.copy(call.origin, target, root, is_permitted=is_saving)


def _readable(server: Server, root: Node, user: str) -> Node:
    """What a user may read of a configuration; that very object if it is everything."""
    reader = server.access.reader(user)
    pruned = reader.prune(root)
    if reader.hide is None:
        return pruned
    shown = reuse(root, View(pruned, schema=server.schema, hide=reader.hide).materialize())
    assert isinstance(shown, Node)
    return shown


def _save(call: Call, target: Url, source: str | etree._Element, mode: str) -> None:
    """What the user may read of the source goes to the file."""
    server = call.server
    reader = server.access.reader(call.session.user)
    found = source_of(server, source)
    root = reader.prune(server.datastores.read(found, call.session.id)) if isinstance(found, str) else found
    view = View(root, schema=server.schema, defaults=shows_unset(mode), hide=reader.hide)
    server.files.write(target, write(server.schema, view, WriteOptions(mode, reader.hide)))


def source_of(server: Server, source: str | etree._Element) -> str | Node:
    """A source parameter as the datastores take it: a name, or the tree of a configuration inside the message."""
    return source if isinstance(source, str) else read_config(server.schema, source, server.seal)


async def delete_config(call: Call) -> Reply:
    """Running and candidate cannot be deleted; startup and files can."""
    target = Parameters(call.element, "target").target()
    if isinstance(target, Url):
        await call.server.aside.run(call.server.files.delete, target)
        return None
    if target != "startup":
        raise InvalidValue(f"{target} cannot be deleted", error_type="protocol", info=[("bad-element", target)])
    await call.server.writer.run(call.server.datastores.delete, call.origin, target)
    return None

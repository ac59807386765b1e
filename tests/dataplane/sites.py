"""The ends of tunnels as their operators know them: a cryptomapd each, spoken to by NETCONF only."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from lxml import etree
from ncclient import manager
from ncclient.operations import RPCError

from support.server import PATIENCE, Daemon
from support.state import NS, elements, texts

CONTEXT = "ipsec-d"
SERVER = "urn:cryptomap:yang:cryptomap-server"
EMPTY = f'<config xmlns="{NS["nc"]}"/>'


class Site:
    """Two sessions of ncclient with a server: one for requests, one that hears notifications."""

    def __init__(self, requests: manager.Manager, news: manager.Manager) -> None:
        self._requests = requests
        self._news = news

    def commit(self, content: str, operation: str = "merge") -> None:
        """Edit the candidate and commit. Raises RPCError; the candidate is as running then."""
        config = f'<config xmlns="{NS["nc"]}">{content}</config>'
        try:
            self._requests.edit_config(target="candidate", config=config, default_operation=operation)
            self._requests.commit()
        except RPCError:
            self._requests.discard_changes()
            raise

    def plan(self, content: str) -> dict[str, str]:
        """What a commit of that would do to which crypto maps, without doing it."""
        config = f'<config xmlns="{NS["nc"]}">{content}</config>'
        self._requests.edit_config(target="candidate", config=config)
        reply = etree.fromstring(self._requests.dispatch(etree.fromstring(f'<plan xmlns="{SERVER}"/>')).xml.encode())
        self._requests.discard_changes()
        tunnels = [{etree.QName(leaf).localname: leaf.text or "" for leaf in one} for one in reply.iter("{*}tunnel")]
        return {one["crypto-map"]: one["effect"] for one in tunnels}

    def refused(self, content: str) -> RPCError:
        """The error of a commit that must fail."""
        try:
            self.commit(content)
        except RPCError as error:
            return error
        raise AssertionError("the commit was accepted")

    def clear(self) -> None:
        """Nothing is configured any more."""
        self._requests.edit_config(target="candidate", config=EMPTY, default_operation="replace")
        self._requests.commit()

    def get(self, xpath: str) -> etree._Element:
        """Configuration and state that an XPath with the prefixes of ``support.state`` selects."""
        return self._requests.get(filter=("xpath", (NS, xpath))).data_ele

    def state(self, name: str, context: str = CONTEXT) -> dict[str, str]:
        """The leafs of the state of the one binding of a crypto map, those of lists by ``list/leaf``; of several
        entries the last."""
        binding = f"ctx:context[ctx:name='{context}']/ctx:interface/ips:crypto-map[ips:name='{name}']/ips:state"
        found = {}
        for leaf in elements(self.get(f"/ctx:contexts/{binding}"), f"//{binding}//*[not(*)]"):
            parent, own = leaf.getparent(), etree.QName(leaf).localname
            assert parent is not None
            above = etree.QName(parent).localname
            found[own if above == "state" else f"{above}/{own}"] = leaf.text or ""
        return found

    def until(self, name: str, condition: Callable[[dict[str, str]], bool]) -> dict[str, str]:
        """The state of a crypto map when it is so; not everything is told by a notification."""
        deadline = time.monotonic() + PATIENCE
        while not condition(state := self.state(name)):
            assert time.monotonic() < deadline, state
            time.sleep(0.05)
        return state

    def until_connected(self) -> None:
        """Until the backend can be asked and holds what is configured."""
        deadline = time.monotonic() + 4 * PATIENCE  # the kernel of a virtual machine is slow to try its algorithms
        while self.backend("health") != "connected":
            assert time.monotonic() < deadline, self.backend("last-error")
            time.sleep(0.1)

    def backend(self, leaf: str) -> str:
        """A leaf of what the server says of its backend."""
        return "".join(texts(self.get(f"/plat:platform/plat:backend/plat:{leaf}"), f"//plat:{leaf}"))

    def reapply(self, name: str, context: str = CONTEXT) -> str:
        """The result of a re-apply of the one binding of a crypto map."""
        bound = f"ctx:context[ctx:name='{context}']/ctx:interface[ips:crypto-map/ips:name='{name}']/ctx:name"
        (interface,) = texts(self.get(f"/ctx:contexts/{bound}"), f"//{bound.partition('[ips')[0]}/ctx:name")
        action = (
            f'<action xmlns="urn:ietf:params:xml:ns:yang:1"><contexts xmlns="{NS["ctx"]}"><context>'
            f"<name>{context}</name><interface><name>{interface}</name>"
            f'<crypto-map xmlns="{NS["ips"]}"><name>{name}</name><reapply/></crypto-map>'
            "</interface></context></contexts></action>"
        )
        reply = etree.fromstring(self._requests.dispatch(etree.fromstring(action)).xml.encode())
        return "".join(texts(reply, "//ips:result"))

    def hear(self, kind: str, **wanted: str) -> dict[str, str]:
        """The leafs of the next notification of that kind with these leafs; others are passed over."""
        while True:
            _, leafs = self.next(kind)
            if wanted.items() <= leafs.items():
                return leafs

    def next(self, *kinds: str) -> tuple[str, dict[str, str]]:
        """The kind and the leafs of the next notification of one of these kinds."""
        content = self._told(*kinds)
        return etree.QName(content).localname, {etree.QName(leaf).localname: leaf.text or "" for leaf in content}

    def warnings(self) -> list[str]:
        """What the next commit that has warnings is warned of."""
        return [leaf.text or "" for leaf in self._told("commit-warning").iter("{*}message")]

    def _told(self, *kinds: str) -> etree._Element:
        """The content of the next notification of one of these kinds."""
        while True:
            told = self._news.take_notification(timeout=PATIENCE)
            assert told is not None, f"no notification {' or '.join(kinds)} came"
            (content,) = [item for item in told.notification_ele if etree.QName(item).localname != "eventTime"]
            if etree.QName(content).localname in kinds:
                return content


@contextmanager
def at(daemon: Daemon) -> Iterator[Site]:
    """Sessions with a running server."""
    with daemon.connect() as requests, daemon.connect() as news:
        news.create_subscription()
        yield Site(requests, news)


@contextmanager
def cleared(daemon: Daemon) -> Iterator[Site]:
    """Sessions with a running server that has nothing configured."""
    with daemon.connect() as requests, daemon.connect() as news:
        site = Site(requests, news)
        site.clear()
        news.create_subscription()  # not before: attempts of what was configured may fail until then
        yield site


def server(directory: Path, schema_cache: Path, backend: str, options: Mapping[str, object]) -> Daemon:
    """A server, not started yet, with that backend and its settings; the kernel of a virtual machine may take long."""
    directory.mkdir(exist_ok=True)
    lines = "\n".join(f"{name} = {_toml(value)}" for name, value in options.items())
    text = f'[backend]\nname = "{backend}"\ndeadline = 120\n[backend.{backend}]\n{lines}\n'
    return Daemon(directory, settings=text, schema_cache=schema_cache)


def _toml(value: object) -> str:
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{json.dumps(name)} = {_toml(item)}' for name, item in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(str(value) if isinstance(value, Path) else value)

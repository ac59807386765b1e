"""Interactive programs as clients, typed at in a pseudo-terminal."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pexpect

from support.foreign.story import BASE, Role, Steps
from support.server import PATIENCE, require

_PLAIN = {"TERM": "dumb", "LC_ALL": "C.UTF-8"}
_END_OF_FILE = "\x04"
_SCREEN = (50, 1000)  # rows, columns: lines are not broken


class _Terminal:
    """A program that prompts for commands until it is told the last one."""

    def __init__(self, role: Role, program: str, arguments: Sequence[str], prompt: str, last: str) -> None:
        self._prompt = prompt
        self._last = last
        self._child = pexpect.spawn(
            require(program),
            list(arguments),
            env={**os.environ, **_PLAIN, "HOME": str(role.directory)},
            cwd=str(role.directory),
            dimensions=_SCREEN,
            encoding="utf-8",
            timeout=PATIENCE,
        )
        self.greeting = self._shown()

    def type(self, command: str) -> str:
        """What is shown until the next prompt."""
        self._child.sendline(command)
        return self._shown()

    def shown_until(self, pattern: str) -> str:
        """What is shown without a prompt after it, up to what matches."""
        self._child.expect(pattern)
        return f"{self._child.before}{self._child.after}"

    def _shown(self) -> str:
        self._child.expect(self._prompt)
        return str(self._child.before)

    def close(self) -> None:
        self._child.send(self._last)
        self._child.expect(pexpect.EOF)
        self._child.close()


@contextmanager
def _terminal(role: Role, program: str, arguments: Sequence[str], prompt: str, last: str) -> Iterator[_Terminal]:
    terminal = _Terminal(role, program, arguments, prompt, last)
    try:
        yield terminal
    finally:
        terminal.close()


@contextmanager
def netconf_console2(role: Role) -> Iterator[Steps]:
    config = {dscp: role.file(f"{dscp}.xml", role.data(dscp)) for dscp in (10, 46, 64)}
    cancel = role.file("cancel.xml", f'<cancel-commit xmlns="{BASE}"/>')
    subtree = f'<get-config xmlns="{BASE}"><source><running/></source><filter>{role.data()}</filter></get-config>'
    get_mine = role.file("subtree.xml", subtree)
    login = ["--host", role.host, "--port", str(role.port), "--user", role.name, "--privKeyFile", role.key]
    login += ["--password", ""]
    with _terminal(role, "netconf-console2", [*login, "--interactive"], "netconf> ", _END_OF_FILE) as terminal:

        def edit(dscp: int) -> str:
            return terminal.type(f"edit-config --db candidate {config[dscp]}")

        def confirmed_commit() -> str:
            edit(10)
            return terminal.type("commit --timeout 600 confirmed")

        def notification() -> str:
            terminal.type("create-subscription")
            role.stir()
            return terminal.shown_until("</notification>")

        yield {
            "hello": lambda: terminal.type("hello"),
            "lock": lambda: terminal.type("lock --db candidate"),
            "edit": lambda: edit(46),
            "validate": lambda: terminal.type("validate candidate"),
            "commit": lambda: terminal.type("commit"),
            "confirmed-commit": confirmed_commit,
            "cancel": lambda: terminal.type(f"rpc {cancel}"),
            "subtree": lambda: terminal.type(f"rpc {get_mine}"),
            "xpath": lambda: terminal.type(f'get-config "{role.xpath}"'),
            "get-schema": lambda: terminal.type("get-schema cryptomap-acl"),
            "notification": notification,
            "error": lambda: edit(64),
            "unlock": lambda: terminal.type("unlock --db candidate"),
        }


@contextmanager
def yangcli(role: Role, *more: str) -> Iterator[Steps]:
    """With ``more`` of its options. It knows YANG 1.0 only, and so takes configurations and filters from files."""
    config = {dscp: role.file(f"{dscp}.xml", role.data(dscp)) for dscp in (46, 64)}
    mine = role.file("filter.xml", role.data())
    login = [f"--server={role.host}", f"--ncport={role.port}", f"--user={role.name}", "--password=none"]
    login += [f"--private-key={role.key}", f"--public-key={role.key}.pub"]
    options = [f"--home={role.directory}", "--modpath=/usr/share/yuma/modules", "--display-mode=xml", *more]
    with _terminal(role, "yangcli", [*login, *options], r"yangcli( \S+@\S+)?> ", "quit\n") as terminal:

        def notification() -> str:
            terminal.type("create-subscription")
            role.stir()
            return terminal.shown_until("</notification>")

        yield {
            "hello": lambda: terminal.greeting,
            "lock": lambda: terminal.type("lock target=candidate"),
            "edit": lambda: terminal.type(f"edit-config target=candidate config=@{config[46]}"),
            "validate": lambda: terminal.type("validate source=candidate"),
            "commit": lambda: terminal.type("commit"),
            "subtree": lambda: terminal.type(f"get-config source=running filter=@{mine}"),
            "xpath": lambda: terminal.type(f'xget-config source=running select="{role.xpath}"'),
            "get-schema": lambda: terminal.type("get-schema identifier=cryptomap-acl format=yang"),
            "notification": notification,
            "error": lambda: terminal.type(f"edit-config target=candidate config=@{config[64]}"),
            "unlock": lambda: terminal.type("unlock target=candidate"),
            "close": lambda: terminal.type("close-session"),
        }

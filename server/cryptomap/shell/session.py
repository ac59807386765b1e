"""The requests of the shell, carried out: each asks the server and writes lines.

``write`` gets text to show, ``ask`` a question to answer with yes or no. A :class:`Fault` is raised for what cannot be
done; rpc-errors and the loss of the server come as the client raises them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path as File

from cryptomap.client import Client, operations
from cryptomap.data.outline import node_lines
from cryptomap.data.path import find
from cryptomap.data.tree import EntriesTypes, Node, Path, key_text
from cryptomap.data.xml import read_config
from cryptomap.schema.nodes import Leaf, Schema
from cryptomap.shell.commands import Mode, commands_of
from cryptomap.shell.edits import edit_xml, filter_xml, keys_filter_xml
from cryptomap.shell.faults import Fault
from cryptomap.shell.language import Request, parse
from cryptomap.shell.load import load_staros, remarks
from cryptomap.shell.progress import Progress, Silent
from cryptomap.shell.render import commit_lines, difference_text, plan_lines, table, trace_lines

__all__ = ["Leave", "Session"]


class Leave(Exception):
    """Whoever typed wants to leave the shell."""


@dataclass
class Session:
    """A shell at work: its mode, and the node of the candidate it is at."""

    client: Client
    schema: Schema
    write: Callable[[str], None]
    ask: Callable[[str], Awaitable[bool]]
    progress: Progress = field(default_factory=Silent)
    mode: Mode = Mode.OPERATE
    at: Path = ()
    is_locked: bool = False
    keys: dict[Path, list[tuple[str, ...]]] = field(default_factory=dict)
    """The keys of lists that were asked for, until the candidate changes."""

    async def perform(self, line: str) -> None:
        """Carry out a line. Raises Fault, Leave, or what the client raises."""
        request = parse(self.schema, self.mode, self.at, line)
        if request is not None:
            await self._verbs()[request.command](request)

    def _verbs(self) -> Mapping[str, Callable[[Request], Awaitable[None]]]:
        return {
            "compare": self._compare,
            "validate": self._validate,
            "plan": self._plan,
            "commit": self._commit,
            "confirm": self._confirm,
            "cancel": self._cancel,
            "discard": self._discard,
            "history": self._history,
            "rollback": self._rollback,
            "load staros": self._load,
            "trace-packet": self._trace,
            "reapply": self._reapply,
            "help": self._help,
            "exit": self._exit,
            "quit": self._quit,
            "configure": self._configure,
            "set": self._set,
            "delete": self._delete,
            "edit": self._edit,
            "up": self._up,
            "top": self._top,
            "show | compare": self._compare,
            "show": self._show_candidate,
            "show staros": self._show,
        }

    def _lines(self, lines: Iterable[str]) -> None:
        text = "\n".join(lines)
        if text:
            self.write(f"{text}\n")

    # ===== the candidate =====

    async def _configure(self, request: Request) -> None:
        if "exclusive" in request.given:
            await self.client.lock()
            self.is_locked = True
        self.mode = Mode.EDIT

    async def _set(self, request: Request) -> None:
        await self._send(edit_xml(self.schema, request.path, request.values))

    async def _delete(self, request: Request) -> None:
        await self._send(edit_xml(self.schema, request.path, request.values, "delete"))

    async def _send(self, config: str) -> None:
        await self.client.edit_config(config)
        self.keys.clear()

    async def _edit(self, request: Request) -> None:
        self.at = request.path

    async def _up(self, request: Request) -> None:
        self.at = self.at[:-1]

    async def _top(self, request: Request) -> None:
        self.at = ()

    async def _show_candidate(self, request: Request) -> None:
        wanted = filter_xml(self.schema, request.path) or None
        root = read_config(self.schema, await self.client.get_config("candidate", wanted))
        value = find(root, request.path)
        if isinstance(value, Node):
            self._lines(node_lines(value))
        elif isinstance(value, str | tuple):
            leaf = request.path[-1][0]
            hidden = isinstance(leaf, Leaf) and leaf.secret
            self._lines(["(not shown)"] if hidden else [value] if isinstance(value, str) else value)

    async def _compare(self, request: Request) -> None:
        self._lines((await operations.plan(self.client)).tree.splitlines())

    async def _validate(self, request: Request) -> None:
        with self.progress.waiting("validating"):
            await self.client.validate()
        self.write("the candidate is valid\n")

    async def _discard(self, request: Request) -> None:
        await self.client.discard_changes()
        self.keys.clear()

    async def _load(self, request: Request) -> None:
        file = File(request.given["file"])
        try:
            text = await asyncio.to_thread(file.read_text)
        except (OSError, UnicodeDecodeError) as fault:
            raise Fault(f"cannot read {file}: {fault}") from None
        partial = "partial" in request.given
        loaded = await load_staros(self.client, self.schema, text, self.progress, partial=partial)
        self.keys.clear()
        self._lines(remarks(str(file), loaded.imported))
        if loaded.imported.rejects and not partial:
            raise Fault("nothing was loaded; mend these lines, or add: partial")
        self.write(f"loaded: {loaded.changes} changes in the candidate\n")

    # ===== commits =====

    async def _plan(self, request: Request) -> None:
        number = request.given.get("rollback")
        self._lines(plan_lines(await operations.plan(self.client, None if number is None else int(number))))

    async def _commit(self, request: Request) -> None:
        seconds = request.given.get("confirmed")
        with self.progress.waiting("committing"):
            await operations.commit(
                self.client,
                message=request.given.get("message", ""),
                confirmed=None if seconds is None else int(seconds),
            )
        self.write("committed\n" if seconds is None else f"committed for {seconds} s: confirm it, or it goes back\n")

    async def _confirm(self, request: Request) -> None:
        await operations.commit(self.client)
        self.write("confirmed\n")

    async def _cancel(self, request: Request) -> None:
        await operations.cancel_commit(self.client)
        self.keys.clear()
        self.write("cancelled: running is what it was before\n")

    async def _history(self, request: Request) -> None:
        given = request.given
        if "first" not in given:
            self._lines(commit_lines(await operations.commits(self.client, int(given.get("limit", "20")))))
            return
        form = given.get("as", "tree")
        first, second = int(given["first"]), given.get("second")
        old, new = (first - 1, first) if second is None else (first, None if second == "running" else int(second))
        found = await operations.compare_commits(self.client, old, new, staros=form == "staros")
        self.write(difference_text(found, form))

    async def _rollback(self, request: Request) -> None:
        number = int(request.given["commit"])
        plan = await operations.plan(self.client, number)
        self._lines(plan_lines(plan))
        if not plan.accepted or not plan.tree:
            return
        if not await self.ask("Go back?"):
            self.write("nothing was done\n")
            return
        made = await operations.rollback_to(self.client, number, request.given.get("message", ""))
        self.keys.clear()
        self.write(f"done, as commit {made}\n")

    # ===== state and actions =====

    async def _show(self, request: Request) -> None:
        self.write(await operations.show(self.client, request.words))

    async def _trace(self, request: Request) -> None:
        packet = {"protocol": "tcp", **request.given}
        context = packet.pop("context")
        self._lines(trace_lines(await operations.trace_packet(self.client, context, packet)))

    async def _reapply(self, request: Request) -> None:
        given = request.given
        result = await operations.reapply(self.client, given["context"], given["interface"], given["crypto-map"])
        self.write(f"{given['crypto-map']} on {given['interface']}: {result}\n")

    # ===== the shell itself =====

    async def _help(self, request: Request) -> None:
        self._lines(table(("command", ""), [(command.words, command.help) for command in commands_of(self.mode)]))

    async def _exit(self, request: Request) -> None:
        if self.mode is Mode.OPERATE:
            raise Leave
        self.mode, self.at = Mode.OPERATE, ()
        if self.is_locked:
            await self.client.unlock()
            self.is_locked = False

    async def _quit(self, request: Request) -> None:
        raise Leave

    async def keys_of(self, path: Path) -> list[tuple[str, ...]]:
        """The keys of the entries of a list in the candidate, for completion; nothing else of them is read."""
        if path not in self.keys:
            data = await self.client.get_config("candidate", keys_filter_xml(self.schema, path))
            value = find(read_config(self.schema, data), path)
            self.keys[path] = [key_text(key) for key, _ in value.items()] if isinstance(value, EntriesTypes) else []
        return self.keys[path]

"""The prompt: reads lines, has them carried out, and says what is wrong."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.application import run_in_terminal
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from cryptomap.client import Client
from cryptomap.data.path import text_of
from cryptomap.errors import RpcError, RpcErrors
from cryptomap.shell.commands import Mode
from cryptomap.shell.completer import ShellCompleter, help_lines, suggestions
from cryptomap.shell.faults import Fault
from cryptomap.shell.library import server_schema
from cryptomap.shell.progress import on_terminal
from cryptomap.shell.session import Leave, Session

__all__ = ["run"]


async def run(client: Client, name: str, cache: Path) -> None:
    """Serve a terminal until its user leaves. ``name`` is shown in the prompt. Raises Fault, ClientError."""
    progress = on_terminal()
    schema = await server_schema(client, cache, progress)
    prompt: PromptSession[str] = PromptSession(history=InMemoryHistory())  # secrets are typed: nothing goes to a file
    session = Session(client, schema, write=_write, ask=_asker(prompt), progress=progress)
    completer, bindings = ShellCompleter(session), _bindings(session)
    while True:
        try:
            line = await prompt.prompt_async(
                _prompt(name, session),
                completer=completer,
                key_bindings=bindings,
                complete_while_typing=False,
            )
            await session.perform(line)
        except KeyboardInterrupt:
            continue
        except (Leave, EOFError):
            return
        except Fault as fault:
            _write(f"{fault}\n")
        except RpcErrors as faults:
            _write("".join([f"{fault}\n" for fault in faults.errors]))
        except RpcError as fault:
            _write(f"{fault}\n")


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _asker(prompt: PromptSession[str]) -> Callable[[str], Awaitable[bool]]:
    async def ask(question: str) -> bool:
        answer = await PromptSession[str](input=prompt.input, output=prompt.output).prompt_async(f"{question} [y/N]: ")
        return answer.strip().lower() in ("y", "yes")

    return ask


def _prompt(name: str, session: Session) -> str:
    if session.mode is Mode.OPERATE:
        return f"{name}> "
    where = text_of(session.at) if session.at else "/"
    return f"{name} [{where}]# "


def _bindings(session: Session) -> KeyBindings:
    bindings = KeyBindings()

    @bindings.add("?")
    async def _(event: KeyPressEvent) -> None:
        """What can follow, below the line; inside quotes a question mark is one."""
        text = event.current_buffer.document.text_before_cursor
        if text.count('"') % 2:
            event.current_buffer.insert_text("?")
            return
        found, known = await suggestions(session, text)
        lines = "\n".join(help_lines(found, known))
        await run_in_terminal(lambda: _write(f"{lines}\n"))

    return bindings

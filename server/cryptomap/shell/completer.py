"""Completion at the prompt: what the language expects, and the keys that the server has."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from cryptomap.client import ClientError
from cryptomap.errors import RpcError, RpcErrors
from cryptomap.shell.faults import Fault
from cryptomap.shell.language import Expected, Suggestion, expected
from cryptomap.shell.session import Session
from cryptomap.shell.words import typed
from cryptomap.staros.text import quote

__all__ = ["ShellCompleter", "help_lines", "suggestions"]


async def suggestions(session: Session, text: str) -> tuple[Expected, list[Suggestion]]:
    """What can follow the text before the cursor, and that of it which begins like the last word."""
    found = expected(session.schema, session.mode, session.at, text)
    try:
        last = typed(text).last
        keys = await _keys(session, found, typed(text).words)
    except Fault:
        return found, []
    known = [*found.suggestions, *[Suggestion(key, "") for key in keys]]
    return found, [one for one in known if one.text.lower().startswith(last.lower())]


async def _keys(session: Session, found: Expected, words: tuple[str, ...]) -> list[str]:
    """The keys that fit, given those before them; none if the server does not say."""
    if found.keys_of is None:
        return []
    before = words[len(words) - found.position :] if found.position else ()
    try:
        keys = await session.keys_of(found.keys_of)
    except (RpcError, RpcErrors, ClientError):
        return []
    return list(dict.fromkeys([key[found.position] for key in keys if key[: found.position] == before]))


def help_lines(found: Expected, known: Iterable[Suggestion]) -> list[str]:
    """What a question mark shows."""
    rows = [*known, *([found.hint] if found.hint else [])]
    if found.can_end:
        rows.append(Suggestion("<cr>", "Do it"))
    width = max((len(row.text) for row in rows), default=0)
    return [f"  {row.text:<{width}}  {row.help}".rstrip() for row in rows] or ["  nothing can follow"]


class ShellCompleter(Completer):
    """See prompt_toolkit. Only asynchronous, because the server may have to be asked."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        return ()

    async def get_completions_async(
        self, document: Document, complete_event: CompleteEvent
    ) -> AsyncGenerator[Completion, None]:
        text = document.text_before_cursor
        _, known = await suggestions(self._session, text)
        try:
            last = typed(text).last
        except Fault:
            return
        for one in known:
            yield Completion(quote(one.text) or one.text, -len(last), display=one.text, display_meta=one.help)

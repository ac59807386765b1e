"""The three kinds of commands that nearly all of StarOS is made of: one that sets leafs, one that makes a list entry,
one that opens a container. What is special has a file of its own (``rules``, ``manual_sets``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from cryptomap.data.tree import Key, Node, key_from_text
from cryptomap.data.xml import Sealer
from cryptomap.schema.nodes import Leaf, ListNode
from cryptomap.staros.draft import Draft
from cryptomap.staros.forms import keyword
from cryptomap.staros.grammar import Argument, Deed, Found, Mode, Source, Undo, Written
from cryptomap.staros.paths import entries_at, exists, list_schema, node_at, resolve
from cryptomap.staros.text import Refusal, Tokens, complete, listed

__all__ = ["Block", "Command", "Entry", "read_arguments"]


def read_arguments(arguments: tuple[Argument, ...], tokens: Tokens, found: Found, *, lenient: bool = False) -> None:
    """Read the required arguments in order, then the optional ones in any order, to the end of the line.

    ``lenient``: any argument may be missing, as in a ``no`` form. Raises Refusal."""
    for argument in arguments:
        if argument.optional:
            continue
        if lenient and tokens.is_done:
            return
        tokens.expect(argument.word)
        argument.read(tokens, found)
    open_arguments = [argument for argument in arguments if argument.optional]
    while not tokens.is_done:
        argument = _next_optional(open_arguments, tokens)
        open_arguments.remove(argument)
        argument.read(tokens, found)


def _next_optional(arguments: list[Argument], tokens: Tokens) -> Argument:
    token = tokens.peek() or ""
    words = complete(token, [argument.word for argument in arguments if argument.word])
    if len(words) > 1:
        raise Refusal(f"'{token}' can be {listed(words)}: write more of it", tokens.at)
    if words:
        tokens.at += 1
        return next(argument for argument in arguments if argument.word == words[0])
    for argument in arguments:
        if not argument.word:
            return argument
    known = [argument.word for argument in arguments]
    expected = f"; {listed(known)} could follow" if known else ""
    raise Refusal(f"'{token}' is not expected here{expected}", tokens.at)


def _written(words: str, arguments: tuple[Argument, ...], source: Source) -> str | None:
    """The line of these arguments, ``None`` if a required one cannot be said. Notes what is said."""
    parts = [words]
    spoken: list[Argument] = []
    for argument in arguments:
        text = argument.write(source)
        if text is not None:
            parts.append(text)
            spoken.append(argument)
        elif not argument.optional:
            return None
    for argument in spoken:
        for path in argument.paths:
            source.say(path)
    return " ".join(parts)


def _always(source: Source) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Command:
    """Sets leafs of the mode's node. A further line with the same words replaces what an earlier one said.

    ``switch`` is a boolean leaf that the command makes true and its ``no`` form false; ``presence`` a container that it
    creates; ``fixed`` leafs that the words alone stand for; ``clears`` leafs that cannot stay beside it. With
    ``written=False`` it is another way to say what some other command writes."""

    words: str
    arguments: tuple[Argument, ...] = ()
    switch: str = ""
    presence: str = ""
    fixed: Mapping[str, str] = field(default_factory=dict)
    clears: tuple[str, ...] = ()
    undo: str = ""
    written: bool = True
    when: Callable[[Source], bool] = _always

    @property
    def mode(self) -> Mode | None:
        """It opens none."""
        return None

    def _owned(self) -> tuple[str, ...]:
        paths = [path for argument in self.arguments for path in argument.paths]
        return tuple([path for path in (*paths, *self.fixed, self.switch, self.presence) if path])

    def parse(self, tokens: Tokens, draft: Draft, seal: Sealer | None) -> Deed:
        for path in self._owned():
            resolve(draft.schema, path)
        found = Found(draft.schema, seal)
        read_arguments(self.arguments, tokens, found)
        settings = dict(found.values) | dict(self.fixed)
        if self.switch:
            settings[self.switch] = "true"

        def do() -> Draft:
            for path in (*self._owned(), *self.clears):
                draft.remove(path)
            if self.presence:
                draft.container(self.presence)
            for path, value in settings.items():
                draft.set(path, value)
            return draft

        return Deed(do, tuple(found.notes))

    def parse_undo(self, tokens: Tokens, draft: Draft, verb: str) -> Undo:
        found = Found(draft.schema)
        read_arguments(self.arguments, tokens, found, lenient=True)
        named = tuple(found.values)
        option = bool(self.switch and named)  # then it is the option that goes, not the switch

        def undo() -> bool:
            if any(draft.effective(path) != found.values[path] for path in named):
                return False
            paths = named if option else (*self._owned(), *self.clears)
            removed = [draft.remove(path) for path in paths]
            if self.switch and verb == "no" and not option:
                draft.set(self.switch, "false")
                return True
            return any(removed)

        return undo

    def write(self, source: Source) -> Iterator[Written]:
        if not self.written or not self._is_in_schema(source) or not self.when(source):
            return
        if self.switch and source.explicit(self.switch) == "false":
            source.say(self.switch)
            yield Written(f"no {self.undo or self.words}")
        elif self._is_set(source):
            line = _written(self.words, self.arguments, source)
            if line is not None:
                for path in (*self.fixed, self.switch, self.presence):
                    if path:
                        source.say(path)
                yield Written(line)

    def _is_in_schema(self, source: Source) -> bool:
        return all(exists(source.node.schema, path) for path in self._owned())

    def _is_set(self, source: Source) -> bool:
        if self.switch:
            return source.explicit(self.switch) == "true"
        if self.presence:
            return node_at(source.node, self.presence) is not None
        if any(source.explicit(path) != value for path, value in self.fixed.items()):
            return False
        return bool(self.fixed) or any(source.explicit(path) is not None for path in self._owned())


@dataclass(frozen=True, slots=True)
class Entry:
    """Makes an entry of the list ``at``, or goes on with the one that is there. The list's keys are among the
    arguments. ``fixed`` leafs are what the words alone say about the entry."""

    words: str
    arguments: tuple[Argument, ...]
    at: str
    mode: Mode | None = None
    fixed: Mapping[str, str] = field(default_factory=dict)
    undo: str = ""
    written: bool = True

    def parse(self, tokens: Tokens, draft: Draft, seal: Sealer | None) -> Deed:
        schema = list_schema(draft.schema, self.at)
        found = Found(schema, seal)
        read_arguments(self.arguments, tokens, found)
        keys, key = _keys(schema, found)
        old = draft.entries(self.at).draft(key)
        if old is not None:
            self._same_kind(old, tokens.at)

        def do() -> Draft:
            entries = draft.entries(self.at)
            entry = entries.draft(key)
            if entry is None:
                entry = entries.create(key, keys)
                entry.made_by = self.words
            for path, value in (*self.fixed.items(), *found.values.items()):
                if path not in keys and (path not in self.fixed or entry.effective(path) != value):
                    entry.set(path, value)
            return entry

        return Deed(do, tuple(found.notes))

    def _same_kind(self, entry: Draft, position: int) -> None:
        if entry.made_by not in ("", self.words):
            raise Refusal(f"one of that name was made by '{entry.made_by}': give one of them another name", position)
        for path, value in self.fixed.items():
            other = entry.effective(path)
            if isinstance(other, str) and other != value:
                reason = f"one of that name is here already, with {path} {keyword(other)} instead of {keyword(value)}"
                raise Refusal(reason, position)

    def parse_undo(self, tokens: Tokens, draft: Draft, verb: str) -> Undo:
        if verb == "default" and self.mode is not None:
            raise Refusal("'default' is for settings; remove it with 'no'")
        schema = list_schema(draft.schema, self.at)
        found = Found(schema)
        read_arguments(self.arguments, tokens, found, lenient=True)
        _, key = _keys(schema, found)

        def undo() -> bool:
            entries = draft.entries(self.at)
            entry = entries.draft(key)
            if entry is None or any(entry.effective(path) != value for path, value in self.fixed.items()):
                return False
            del entries.items[key]
            return True

        return undo

    def write(self, source: Source) -> Iterator[Written]:
        if not self.written or not exists(source.node.schema, self.at):
            return
        for entry in entries_at(source.node, self.at).nodes():
            inner = source.below(entry)
            if any(inner.effective(path) != value for path, value in self.fixed.items()):
                continue
            line = _written(self.words, self.arguments, inner)
            if line is not None:
                inner.said.node(entry)
                for path in (*self.fixed, *_key_names(entry)):
                    inner.say(path)
                yield Written(line, self.mode, inner)


def _keys(schema: ListNode, found: Found) -> tuple[dict[str, str], Key]:
    keys: dict[str, str] = {}
    for leaf in schema.keys:
        value = found.values.get(leaf.name)
        if not isinstance(value, str):
            raise Refusal(f"the line ends where <{leaf.name}> is expected")
        keys[leaf.name] = value
    return keys, key_from_text(schema, tuple(keys.values()))


def _key_names(entry: Node) -> tuple[str, ...]:
    assert isinstance(entry.schema, ListNode)
    return tuple([leaf.name for leaf in entry.schema.keys if isinstance(leaf, Leaf)])


@dataclass(frozen=True, slots=True)
class Block:
    """Opens the container ``at``."""

    words: str
    at: str
    mode: Mode
    undo: str = ""

    def parse(self, tokens: Tokens, draft: Draft, seal: Sealer | None) -> Deed:
        read_arguments((), tokens, Found(draft.schema))
        return Deed(lambda: draft.container(self.at))

    def parse_undo(self, tokens: Tokens, draft: Draft, verb: str) -> Undo:
        read_arguments((), tokens, Found(draft.schema))
        return lambda: draft.remove(self.at)

    def write(self, source: Source) -> Iterator[Written]:
        if exists(source.node.schema, self.at):
            node = node_at(source.node, self.at)
            if node is not None:
                yield Written(self.words, self.mode, source.below(node))

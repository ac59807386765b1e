"""What can be typed: a line to a request, and what can follow an unfinished line. Pure functions on the schema."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptomap.data.tree import Path
from cryptomap.schema.nodes import Container, Leaf, LeafList, ListNode, Schema
from cryptomap.shell.commands import Argument, Command, Mode, Rest, commands_of
from cryptomap.shell.faults import Fault
from cryptomap.shell.walk import Walk, children_of, hint_of, names_of_values, summary, target_list
from cryptomap.shell.words import choose, split, typed
from cryptomap.staros.show import show_words
from cryptomap.staros.text import is_short_for

__all__ = ["Expected", "Request", "Suggestion", "expected", "parse"]


@dataclass(frozen=True, slots=True)
class Request:
    """A line that can be carried out: the words of its command and what was given with them."""

    command: str
    given: dict[str, str] = field(default_factory=dict)
    path: Path = ()
    values: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Suggestion:
    text: str
    help: str = ""


@dataclass(frozen=True, slots=True)
class Expected:
    """What can follow: words, values that look like ``hint``, and the keys of the entries of ``keys_of``, which only
    the server knows (the one at ``position`` among the keys)."""

    suggestions: tuple[Suggestion, ...] = ()
    hint: Suggestion | None = None
    keys_of: Path | None = None
    position: int = 0
    can_end: bool = False


# ===== whole lines =====


def parse(schema: Schema, mode: Mode, at: Path, line: str) -> Request | None:
    """The request of a line typed at that node of the candidate; ``None`` for an empty one. Raises Fault."""
    words = split(line)
    return _request(schema, mode, at, words) if words else None


def _request(schema: Schema, mode: Mode, at: Path, words: Sequence[str]) -> Request:
    command, rest = _command(mode, words)
    if command.rest is Rest.COMMAND:
        if not rest:
            raise Fault("do: a command of operate mode has to follow")
        return _request(schema, Mode.OPERATE, (), rest)
    if command.rest is Rest.SHOW:
        return Request("show staros", words=tuple(rest or ("configuration",)))
    if command.rest in (Rest.NODE, Rest.SETTING):
        return _on_node(schema, command, at, rest)
    return Request(command.words, _given(command, rest))


def _command(mode: Mode, words: Sequence[str]) -> tuple[Command, Sequence[str]]:
    """The command with the most words that the line begins with, and what follows them."""
    known = commands_of(mode)
    first = choose(words[0], dict.fromkeys(command.words.split()[0] for command in known), "command")
    fitting = [command for command in known if command.words.split()[0] == first and _begins(command, words)]
    if not fitting:
        following = [command.words.split()[1] for command in known if command.words.split()[0] == first]
        raise Fault(f"{first}: {' or '.join(following)} has to follow")
    command = max(fitting, key=lambda found: len(found.words))
    return command, words[len(command.words.split()) :]


def _begins(command: Command, words: Sequence[str]) -> bool:
    parts = command.words.split()
    return len(words) >= len(parts) and all(map(is_short_for, words[1:], parts[1:]))


def _on_node(schema: Schema, command: Command, at: Path, words: Sequence[str]) -> Request:
    walk = Walk(schema, at).follow(words)
    if walk.list is not None:
        raise Fault(f"{walk.list.name}: its {walk.key.name} has to follow")
    if command.rest is Rest.NODE and walk.leaf is not None and (walk.values or command.words == "edit"):
        raise Fault(f"{walk.leaf.name} is a leaf: {command.words} wants a container or a list entry")
    if command.words in ("set", "delete") and not words:
        raise Fault(f"{command.words}: say what")
    if command.words == "set" and walk.takes_value and not walk.values:
        assert walk.leaf is not None
        raise Fault(f"{walk.leaf.name}: a value has to follow")
    if command.words == "delete" and isinstance(walk.leaf, Leaf) and walk.values:
        raise Fault(f"{walk.leaf.name}: to delete it no value is needed")
    if command.words == "set" and walk.leaf is None and not _can_exist_alone(walk):
        raise Fault(f"{walk.inner.name}: say what in it")
    return Request(command.words, path=walk.path, values=tuple(walk.values))


def _can_exist_alone(walk: Walk) -> bool:
    inner = walk.inner
    return isinstance(inner, ListNode) or (isinstance(inner, Container) and inner.presence)


def _given(command: Command, words: Sequence[str]) -> dict[str, str]:
    given: dict[str, str] = {}
    waiting = list(words)
    for argument in command.arguments:
        if not argument.word and not argument.optional:
            if not waiting:
                raise Fault(f"{command.words}: {argument.hint} has to follow")
            given[argument.name] = argument.read(waiting.pop(0))
    while waiting:
        word = waiting.pop(0)
        argument = _argument(command, given, word)
        if argument.word and not argument.hint:
            given[argument.name] = "true"
        elif argument.word:
            if not waiting:
                raise Fault(f"{argument.word}: {argument.hint} has to follow")
            given[argument.name] = _read(argument, waiting.pop(0))
        else:
            given[argument.name] = _read(argument, word)
    return given


def _read(argument: Argument, word: str) -> str:
    return choose(word, argument.choices, argument.word) if argument.choices else argument.read(word)


def _argument(command: Command, given: dict[str, str], word: str) -> Argument:
    """The argument that a word begins: an introduced one by its word, else the next of the optional ones in order."""
    left = [argument for argument in command.arguments if argument.name not in given]
    named = [argument for argument in left if argument.word and is_short_for(word, argument.word)]
    if len(named) == 1:
        return named[0]
    plain = next((argument for argument in left if argument.optional), None)
    if plain is None or len(named) > 1:
        choose(word, [argument.word for argument in left if argument.word], f"argument of {command.words}")
        raise Fault(f"nothing can follow {command.words}: '{word}'")
    return plain


# ===== unfinished lines =====


def expected(schema: Schema, mode: Mode, at: Path, text: str) -> Expected:
    """What can follow the whole words of the text before the cursor. Nothing if they are wrong."""
    try:
        return _expected(schema, mode, at, typed(text).words)
    except Fault:
        return Expected()


def _expected(schema: Schema, mode: Mode, at: Path, words: Sequence[str]) -> Expected:
    if not words:
        return Expected(_first_words(mode))
    second = _second_words(mode, words)
    try:
        command, rest = _command(mode, words)
    except Fault:
        if second:
            return Expected(second)
        raise
    if command.rest is Rest.COMMAND:
        return _expected(schema, Mode.OPERATE, (), rest)
    found = _after(schema, command, at, rest)
    return Expected((*second, *found.suggestions), found.hint, found.keys_of, found.position, found.can_end)


def _first_words(mode: Mode) -> tuple[Suggestion, ...]:
    found: dict[str, Suggestion] = {}
    for command in commands_of(mode):
        word, _, more = command.words.partition(" ")
        found.setdefault(word, Suggestion(word, command.help if not more or word not in found else ""))
    return tuple(found.values())


def _second_words(mode: Mode, words: Sequence[str]) -> tuple[Suggestion, ...]:
    """The words that go on after the first one of a command of several."""
    if len(words) != 1:
        return ()
    several = [(command.words.split(), command.help) for command in commands_of(mode) if " " in command.words]
    return tuple([Suggestion(" ".join(parts[1:]), help) for parts, help in several if is_short_for(words[0], parts[0])])


def _after(schema: Schema, command: Command, at: Path, words: Sequence[str]) -> Expected:
    if command.rest is Rest.SHOW:
        return Expected(tuple([Suggestion(word) for word in show_words(words)]))
    if command.rest in (Rest.NODE, Rest.SETTING):
        return _after_node(Walk(schema, at).follow(words), command, words)
    return _after_arguments(command, words)


def _after_node(walk: Walk, command: Command, words: Sequence[str]) -> Expected:
    if walk.list is not None:
        hint = Suggestion(hint_of(walk.key), summary(walk.key))
        return Expected(hint=hint, keys_of=(*walk.path, (walk.list, None)), position=len(walk.keys))
    if walk.leaf is not None:
        return _after_leaf(walk, command)
    leaves = command.rest is Rest.SETTING
    found = [
        Suggestion(word, summary(child))
        for word, child in sorted(children_of(walk.inner).items())
        if leaves or not isinstance(child, (Leaf, LeafList))
    ]
    return Expected(tuple(found), can_end=command.words != "set" or (bool(words) and _can_exist_alone(walk)))


def _after_leaf(walk: Walk, command: Command) -> Expected:
    leaf = walk.leaf
    assert leaf is not None
    if not walk.takes_value or (command.words == "delete" and isinstance(leaf, Leaf)):
        return Expected(can_end=True)
    names = tuple([Suggestion(name) for name in names_of_values(leaf)])
    keys = target_list(leaf, walk.path)
    hint = None if names else Suggestion(hint_of(leaf), summary(leaf))
    return Expected(names, hint, keys, can_end=bool(walk.values) or command.words == "delete")


def _after_arguments(command: Command, words: Sequence[str]) -> Expected:
    """Arguments in order first; then those by name, and the optional ones without."""
    required = [argument for argument in command.arguments if not argument.word and not argument.optional]
    if len(words) < len(required):
        wanted = required[len(words)]
        return Expected(hint=Suggestion(wanted.hint, wanted.help))
    given: dict[str, str] = {argument.name: "" for argument in required}
    waiting = list(words[len(required) :])
    while waiting:
        argument = _argument(command, given, waiting.pop(0))
        given[argument.name] = ""
        if argument.word and argument.hint:
            if not waiting:
                choices = tuple([Suggestion(choice) for choice in argument.choices])
                return Expected(choices, None if choices else Suggestion(argument.hint, argument.help))
            waiting.pop(0)
    left = [argument for argument in command.arguments if argument.name not in given]
    plain = next((argument for argument in left if not argument.word), None)
    words_left = tuple([Suggestion(argument.word, argument.help) for argument in left if argument.word])
    return Expected(words_left, Suggestion(plain.hint, plain.help) if plain else None, can_end=True)

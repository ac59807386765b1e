"""The arguments that most commands have: values, lists of values, and keywords that stand for true."""

from __future__ import annotations

from dataclasses import dataclass

from cryptomap.staros.forms import PLAIN, Form, keywords
from cryptomap.staros.grammar import Found, Source
from cryptomap.staros.paths import leaf_schema
from cryptomap.staros.text import Refusal, Tokens, listed

__all__ = ["Fixed", "Flag", "Subset", "Value", "Values"]


@dataclass(frozen=True, slots=True)
class Value:
    """One token for a leaf. An optional one is written only if the leaf is set."""

    path: str
    word: str = ""
    form: Form = PLAIN
    optional: bool = False

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.path,)

    def read(self, tokens: Tokens, found: Found) -> None:
        position = tokens.at
        token = tokens.take(f"<{self.path.rpartition('/')[2]}>")
        found.values[self.path] = found.read(self.path, token, self.form, position)

    def write(self, source: Source) -> str | None:
        if self.optional and source.explicit(self.path) is None:
            return None
        token = source.token(self.path, self.form)
        return None if token is None else f"{self.word} {token}".strip()


@dataclass(frozen=True, slots=True)
class Values:
    """One or more tokens, to the end of the line, for a leaf-list in its order; ``each`` stands before each of them."""

    path: str
    each: str = ""
    word: str = ""
    optional: bool = False

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.path,)

    def read(self, tokens: Tokens, found: Found) -> None:
        values: list[str] = []
        while not values or not tokens.is_done:
            tokens.expect(self.each)
            position = tokens.at
            value = found.read(self.path, tokens.take("a name"), position=position)
            if value in values:
                raise Refusal(f"'{value}' is listed twice", position)
            values.append(value)
        found.values[self.path] = tuple(values)

    def write(self, source: Source) -> str | None:
        values = source.effective(self.path)
        if not isinstance(values, tuple):
            return None
        leaf = leaf_schema(source.node.schema, self.path)
        tokens = [PLAIN.write(leaf, value) for value in values]
        if None in tokens:
            return None
        return " ".join([f"{self.each} {token}".strip() for token in tokens])


@dataclass(frozen=True, slots=True)
class Subset:
    """Some of the keywords of a leaf-list, in any order, to the end of the line."""

    path: str
    optional: bool = True
    word: str = ""

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.path,)

    def read(self, tokens: Tokens, found: Found) -> None:
        if tokens.is_done:
            tokens.take(listed(sorted(keywords(found.leaf(self.path).type))))
        Values(self.path).read(tokens, found)

    def write(self, source: Source) -> str | None:
        return Values(self.path).write(source)


@dataclass(frozen=True, slots=True)
class Flag:
    """A keyword that makes a boolean leaf true."""

    word: str
    path: str
    optional: bool = True

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.path,)

    def read(self, tokens: Tokens, found: Found) -> None:
        found.values[self.path] = "true"

    def write(self, source: Source) -> str | None:
        return self.word if source.effective(self.path) == "true" else None


@dataclass(frozen=True, slots=True)
class Fixed:
    """Keywords that must stand there and say nothing by themselves."""

    word: str
    optional: bool = False
    paths: tuple[str, ...] = ()

    def read(self, tokens: Tokens, found: Found) -> None:
        """Nothing follows."""

    def write(self, source: Source) -> str | None:
        return self.word

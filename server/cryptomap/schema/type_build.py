"""pyang type statements -> :mod:`cryptomap.schema.types`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from cryptomap.schema import xpath
from cryptomap.schema.features import Features
from cryptomap.schema.nodes import Identity, InnerNode
from cryptomap.schema.patterns import PatternFault, translated
from cryptomap.schema.statements import Statement, argument, fault, module_of, prefixes_in
from cryptomap.schema.types import (
    INTEGER_BOUNDS,
    BinaryType,
    BitsType,
    BooleanType,
    Bounds,
    Decimal64Type,
    EmptyType,
    EnumerationType,
    IdentityrefType,
    InstanceIdentifierType,
    IntegerType,
    LeafrefType,
    Pattern,
    StringType,
    Type,
    UnionType,
    XPathType,
)

__all__ = ["TypeBuilder", "typedefs_of"]

_LENGTHS = (0, (1 << 64) - 1)


class TypeBuilder:
    """Builds types, sharing one object among all leafs that use the same typedef as it is, so that they share its
    memory of values too. Types with a leafref in them belong to one leaf: their paths start there."""

    def __init__(self, root: InnerNode, identities: Mapping[str, Identity], features: Features) -> None:
        self._root = root
        self._identities = identities
        self._features = features
        self._shared: dict[int, Type] = {}
        self._pythons: dict[str, str] = {}

    def build(self, statement: Statement, module: str) -> Type:
        """The type of a type statement; ``module`` is that of the leaf which has it. Raises SchemaFault."""
        while statement.i_typedef is not None and not statement.substmts:
            statement = statement.i_typedef.search_one("type")
        known = self._shared.get(id(statement))
        if known is not None:
            return known
        chain = _chain(statement)
        base = chain[-1].arg.rpartition(":")[2]
        built = self._BUILDERS[base](self, chain, module)
        if not _has_leafref(built):
            self._shared[id(statement)] = built
        return built

    def _integer(self, chain: Sequence[Statement], module: str) -> Type:
        base = chain[-1].arg.rpartition(":")[2]
        return IntegerType(base, self._bounds(chain, "range", INTEGER_BOUNDS[base], int))

    def _decimal64(self, chain: Sequence[Statement], module: str) -> Type:
        digits = int(argument(chain[-1], "fraction-digits") or "")

        def units(text: str) -> int:
            whole, _, fraction = text.partition(".")
            return int(whole + fraction.ljust(digits, "0"))

        return Decimal64Type(digits, self._bounds(chain, "range", INTEGER_BOUNDS["int64"], units))

    def _string(self, chain: Sequence[Statement], module: str) -> Type:
        patterns = tuple(self._pattern(p) for statement in reversed(chain) for p in statement.search("pattern"))
        kind = XPathType if any(map(_is_xpath, chain)) else StringType
        return kind(self._bounds(chain, "length", _LENGTHS, int), patterns)

    def _binary(self, chain: Sequence[Statement], module: str) -> Type:
        return BinaryType(self._bounds(chain, "length", _LENGTHS, int))

    def _boolean(self, chain: Sequence[Statement], module: str) -> Type:
        return BooleanType()

    def _empty(self, chain: Sequence[Statement], module: str) -> Type:
        return EmptyType()

    def _enumeration(self, chain: Sequence[Statement], module: str) -> Type:
        return EnumerationType(self._named_numbers(chain, "enum", "value"))

    def _bits(self, chain: Sequence[Statement], module: str) -> Type:
        return BitsType(self._named_numbers(chain, "bit", "position"))

    def _identityref(self, chain: Sequence[Statement], module: str) -> Type:
        bases = [f"{module_of(b.i_identity)}:{b.i_identity.arg}" for b in chain[-1].search("base")]
        wanted = set(bases)
        values = [name for name, identity in self._identities.items() if wanted <= identity.ancestors]
        return IdentityrefType(bases, values)

    def _leafref(self, chain: Sequence[Statement], module: str) -> Type:
        path = chain[-1].search_one("path")
        if path.i_module.i_version == "1" and _in_typedef(chain[-1]):
            # YANG 1 left open what a name without prefix means here; pyang and libyang take the typedef's module.
            module = module_of(path)
        try:
            expr = xpath.parse(path.arg, prefixes_in(path), module)
        except xpath.XPathFault as error:
            raise fault(path, str(error)) from None
        return LeafrefType(expr, " ".join(path.arg.split()), _require_instance(chain))

    def _instance_identifier(self, chain: Sequence[Statement], module: str) -> Type:
        built = InstanceIdentifierType(_require_instance(chain))
        built.link(self._root)
        return built

    def _union(self, chain: Sequence[Statement], module: str) -> Type:
        return UnionType([self.build(member, module) for member in chain[-1].search("type")])

    def _bounds(
        self, chain: Sequence[Statement], keyword: str, limits: tuple[int, int], number: Callable[[str], int]
    ) -> Bounds | None:
        """The innermost range or length of a chain of typedefs; ``min`` and ``max`` are those of the type below."""
        bounds = None
        for statement in reversed(chain):
            restriction = statement.search_one(keyword)
            if restriction is not None:
                low, high = (bounds.parts[0][0], bounds.parts[-1][1]) if bounds else limits
                parts = tuple(_parts(restriction.arg, {"min": low, "max": high}, number))
                text = " ".join(restriction.arg.split())
                bounds = Bounds(parts, text, *_error_words(restriction))
        return bounds

    def _pattern(self, statement: Statement) -> Pattern:
        inverted = argument(statement, "modifier") == "invert-match"
        return Pattern(statement.arg, self._python(statement), inverted, *_error_words(statement))

    def _python(self, statement: Statement) -> str:
        text = statement.arg
        if text not in self._pythons:
            try:
                self._pythons[text] = translated(text)
            except PatternFault as error:
                raise fault(statement, f"pattern {text}: {error}") from None
        return self._pythons[text]

    def _named_numbers(self, chain: Sequence[Statement], keyword: str, number: str) -> dict[str, int]:
        """Names and numbers of enums or bits. Restricting keeps the numbers of the type below (RFC 7950 9.6.4.2)."""
        numbers: dict[str, int] = {}
        present: set[str] = set()
        for statement in reversed(chain):
            items = statement.search(keyword)
            if items and not numbers:
                numbers = _numbered(items, number)
                present = {item.arg for item in items if self._features.admit(item)}
            elif items:
                present &= {item.arg for item in items if self._features.admit(item)}
        return {name: value for name, value in numbers.items() if name in present}

    _BUILDERS: Mapping[str, Callable[[TypeBuilder, Sequence[Statement], str], Type]] = {
        **dict.fromkeys(INTEGER_BOUNDS, _integer),
        "decimal64": _decimal64,
        "string": _string,
        "binary": _binary,
        "boolean": _boolean,
        "empty": _empty,
        "enumeration": _enumeration,
        "bits": _bits,
        "identityref": _identityref,
        "leafref": _leafref,
        "instance-identifier": _instance_identifier,
        "union": _union,
    }


def typedefs_of(statement: Statement) -> Iterator[Statement]:
    """The typedef statements behind a type statement, nearest first."""
    while statement.i_typedef is not None:
        yield statement.i_typedef
        statement = statement.i_typedef.search_one("type")


def _chain(statement: Statement) -> list[Statement]:
    """The type statements from this one down to that of the built-in type."""
    return [statement, *(typedef.search_one("type") for typedef in typedefs_of(statement))]


def _is_xpath(statement: Statement) -> bool:
    """Whether a type statement stands in the typedef ``xpath1.0`` or names it."""
    typedefs = [statement.i_typedef, statement.parent]
    return any(
        typedef is not None
        and typedef.keyword == "typedef"
        and typedef.arg == "xpath1.0"
        and module_of(typedef) == "ietf-yang-types"
        for typedef in typedefs
    )


def _has_leafref(kind: Type) -> bool:
    if isinstance(kind, UnionType):
        return any(_has_leafref(member) for member in kind.members)
    return isinstance(kind, LeafrefType)


def _in_typedef(statement: Statement) -> bool:
    while statement.keyword == "type":
        statement = statement.parent
    return bool(statement.keyword == "typedef")


def _require_instance(chain: Sequence[Statement]) -> bool:
    stated = (argument(statement, "require-instance") for statement in chain)
    return next((value == "true" for value in stated if value is not None), True)


def _parts(text: str, named: Mapping[str, int], number: Callable[[str], int]) -> Iterator[tuple[int, int]]:
    def bound(word: str) -> int:
        stripped = word.strip()
        return named[stripped] if stripped in named else number(stripped)

    for part in text.split("|"):
        low, dots, high = part.partition("..")
        yield bound(low), bound(high if dots else low)


def _numbered(items: Sequence[Statement], keyword: str) -> dict[str, int]:
    numbers: dict[str, int] = {}
    following = 0
    for item in items:
        stated = argument(item, keyword)
        numbers[item.arg] = following if stated is None else int(stated)
        following = max(numbers.values()) + 1
    return numbers


def _error_words(statement: Statement) -> tuple[str | None, str | None]:
    return argument(statement, "error-message"), argument(statement, "error-app-tag")

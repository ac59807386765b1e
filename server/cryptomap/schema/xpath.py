"""XPath 1.0 as YANG uses it (RFC 7950 section 6.4): the syntax tree and its parser.

Names are resolved while parsing: a step carries the *module name* its prefix stands for. A name without a prefix gets
the module of the statement it is written in; in a filter from a client (``default_module=None``) it matches any module,
as ncclient and netconf-console2 users expect. The tree is frozen and picklable; ``data.xpath`` evaluates it and
``data.validation.dependencies`` reads off it which schema nodes an expression looks at.

An own parser, because pyang's takes 150 us for an expression and does not accept a leading ``*``; grammar and token
rules are those of XPath 1.0 sections 2, 3 and 3.7.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["Binary", "Call", "Expr", "Filter", "Literal", "Negate", "Number", "Path", "Step", "XPathFault", "parse"]

MAX_LENGTH = 65_536
MAX_DEPTH = 60
MAX_OPERATORS = 300  # with the depth, what bounds the recursion of everything that walks an expression


class XPathFault(ValueError):
    """The expression is not XPath, or uses an unknown prefix, axis or function; the text says where."""


@dataclass(frozen=True, slots=True)
class Number:
    value: float


@dataclass(frozen=True, slots=True)
class Literal:
    """A string. ``qualified`` is what it means where an identity is compared with it: its prefix replaced by the module
    name; ``None`` if it cannot be an identity's name."""

    value: str
    qualified: str | None = None


@dataclass(frozen=True, slots=True)
class Variable:
    """``$name``; only NACM's ``$USER`` is ever bound (RFC 8341)."""

    name: str


@dataclass(frozen=True, slots=True)
class Call:
    name: str
    args: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Negate:
    operand: Expr


@dataclass(frozen=True, slots=True)
class Binary:
    """``op`` is one of or and = != < <= > >= + - * div mod |."""

    op: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Filter:
    """A primary expression with predicates: ``(expr)[...]``."""

    operand: Expr
    predicates: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One location step. ``name`` is ``None`` for a wildcard or a node test; ``module`` is ``None`` for any module;
    ``test`` is name | node | text | comment | processing-instruction."""

    axis: str
    module: str | None
    name: str | None
    test: str = "name"
    predicates: tuple[Expr, ...] = ()


@dataclass(frozen=True, slots=True)
class Path:
    """A location path. ``base`` is the expression it starts from (``deref(.)/../x``); without one it starts at the
    root (``absolute``) or at the context node."""

    absolute: bool
    steps: tuple[Step, ...]
    base: Expr | None = None


Expr: TypeAlias = Number | Literal | Variable | Call | Negate | Binary | Filter | Path

AXES = frozenset(
    {
        "ancestor", "ancestor-or-self", "attribute", "child", "descendant", "descendant-or-self", "following",
        "following-sibling", "namespace", "parent", "preceding", "preceding-sibling", "self",
    }
)  # fmt: skip
NODE_TESTS = frozenset({"comment", "node", "processing-instruction", "text"})
# name -> (fewest, most) arguments; XPath 1.0 section 4 and RFC 7950 section 10
FUNCTIONS: Mapping[str, tuple[int, int]] = {
    "last": (0, 0), "position": (0, 0), "count": (1, 1), "id": (1, 1), "local-name": (0, 1), "namespace-uri": (0, 1),
    "name": (0, 1), "string": (0, 1), "concat": (2, 255), "starts-with": (2, 2), "contains": (2, 2),
    "substring-before": (2, 2), "substring-after": (2, 2), "substring": (2, 3), "string-length": (0, 1),
    "normalize-space": (0, 1), "translate": (3, 3), "boolean": (1, 1), "not": (1, 1), "true": (0, 0), "false": (0, 0),
    "lang": (1, 1), "number": (0, 1), "sum": (1, 1), "floor": (1, 1), "ceiling": (1, 1), "round": (1, 1),
    "current": (0, 0), "re-match": (2, 2), "deref": (1, 1), "derived-from": (2, 2), "derived-from-or-self": (2, 2),
    "enum-value": (1, 1), "bit-is-set": (2, 2),
}  # fmt: skip

_NCNAME = r"[A-Za-z_\u00b7-\U0010ffff][\w.\-\u00b7]*"
_TOKEN = re.compile(
    rf"""\s*(?:
    (?P<number>\d+(?:\.\d*)?|\.\d+)
  | (?P<literal>"[^"]*"|'[^']*')
  | (?P<symbol>::|//|\.\.|!=|<=|>=|[()\[\].@,/|+\-=<>*])
  | \$(?P<variable>{_NCNAME}(?::{_NCNAME})?)
  | (?P<name>{_NCNAME}(?::(?!:)(?:{_NCNAME}|\*))?)
  )""",
    re.VERBOSE,
)
_OPERATOR_NAMES = frozenset({"and", "or", "mod", "div"})
_NOT_BEFORE_OPERATOR = frozenset({"@", "::", "(", "[", ",", "/", "//", "|", "+", "-", "=", "!=", "<", "<=", ">", ">="})


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # number literal variable name operator symbol end
    text: str
    at: int


def parse(text: str, module_of_prefix: Mapping[str, str], default_module: str | None) -> Expr:
    """Parse an expression. ``module_of_prefix`` maps the prefixes in scope to module names; ``default_module`` is what
    a name without prefix belongs to (``None``: any module). Raises :class:`XPathFault`."""
    if len(text) > MAX_LENGTH:
        raise XPathFault(f"XPath expression is longer than {MAX_LENGTH} characters")
    return _Parser(text, module_of_prefix, default_module).parse()


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    last = ""
    end = len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            raise XPathFault(f"XPath {text!r}: unexpected character {text[at:].lstrip()[:1]!r} at position {at}")
        kind = match.lastgroup or ""
        word, start = match[kind], match.start(kind)
        after_operand = last != "" and last != "operator" and last not in _NOT_BEFORE_OPERATOR
        if after_operand and (word == "*" or (kind == "name" and word in _OPERATOR_NAMES)):
            kind = "operator"
        yield _Token(kind, word, start)
        last = word if kind == "symbol" else kind
        at = match.end()
    yield _Token("end", "", len(text))


class _Parser:
    """Recursive descent; one method per grammar rule of XPath 1.0."""

    def __init__(self, text: str, module_of_prefix: Mapping[str, str], default_module: str | None) -> None:
        self._text = text
        self._modules = module_of_prefix
        self._default = default_module
        self._tokens = list(_tokens(text))
        self._at = 0
        self._depth = 0
        self._operators = 0

    def parse(self) -> Expr:
        expr = self._or()
        if self._peek.kind != "end":
            raise self._fault(f"unexpected {self._peek.text!r}")
        return expr

    # ===== tokens =====

    @property
    def _peek(self) -> _Token:
        return self._tokens[self._at]

    def _next(self) -> _Token:
        token = self._tokens[self._at]
        self._at += token.kind != "end"
        return token

    def _symbol(self, *texts: str) -> str | None:
        token = self._peek
        if token.kind == "symbol" and token.text in texts:
            self._at += 1
            return token.text
        return None

    def _operator(self, *texts: str) -> str | None:
        token = self._peek
        if token.kind == "operator" and token.text in texts:
            self._at += 1
            return token.text
        return None

    def _expect(self, text: str) -> None:
        if not self._symbol(text):
            raise self._fault(f"expected {text!r} before {self._peek.text!r}" if self._peek.text else f"lacks {text!r}")

    def _fault(self, what: str) -> XPathFault:
        return XPathFault(f"XPath {self._text!r}: {what} at position {self._peek.at}")

    # ===== operators, loosest first =====

    def _joined(self, op: str, left: Expr, right: Expr) -> Binary:
        self._count_operator()
        return Binary(op, left, right)

    def _count_operator(self) -> None:
        self._operators += 1
        if self._operators > MAX_OPERATORS:
            raise self._fault(f"more than {MAX_OPERATORS} operators")

    def _or(self) -> Expr:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._fault("nested too deeply")
        expr = self._and()
        while op := self._operator("or"):
            expr = self._joined(op, expr, self._and())
        self._depth -= 1
        return expr

    def _and(self) -> Expr:
        expr = self._equality()
        while op := self._operator("and"):
            expr = self._joined(op, expr, self._equality())
        return expr

    def _equality(self) -> Expr:
        expr = self._relational()
        while op := self._symbol("=", "!="):
            expr = self._joined(op, expr, self._relational())
        return expr

    def _relational(self) -> Expr:
        expr = self._additive()
        while op := self._symbol("<", "<=", ">", ">="):
            expr = self._joined(op, expr, self._additive())
        return expr

    def _additive(self) -> Expr:
        expr = self._multiplicative()
        while op := self._symbol("+", "-"):
            expr = self._joined(op, expr, self._multiplicative())
        return expr

    def _multiplicative(self) -> Expr:
        expr = self._unary()
        while op := self._operator("*", "div", "mod"):
            expr = self._joined(op, expr, self._unary())
        return expr

    def _unary(self) -> Expr:
        negations = 0
        while self._symbol("-"):
            negations += 1
            self._count_operator()
        expr = self._union()
        for _ in range(negations):
            expr = Negate(expr)
        return expr

    def _union(self) -> Expr:
        expr = self._path()
        while op := self._symbol("|"):
            expr = self._joined(op, expr, self._path())
        return expr

    # ===== paths =====

    def _path(self) -> Expr:
        if self._starts_primary():
            primary = self._primary()
            predicates = self._predicates()
            expr: Expr = Filter(primary, predicates) if predicates else primary
            steps = self._steps_after_slash()
            return Path(absolute=False, steps=steps, base=expr) if steps else expr
        if self._symbol("//"):
            return Path(absolute=True, steps=(_ANY_DESCENDANT, *self._steps()))
        if self._symbol("/"):
            return Path(absolute=True, steps=self._steps() if self._starts_step() else ())
        return Path(absolute=False, steps=self._steps())

    def _starts_primary(self) -> bool:
        token = self._peek
        if token.kind in {"number", "literal", "variable"} or (token.kind, token.text) == ("symbol", "("):
            return True
        following = self._tokens[min(self._at + 1, len(self._tokens) - 1)]
        is_call = token.kind == "name" and (following.kind, following.text) == ("symbol", "(")
        return is_call and token.text not in NODE_TESTS

    def _starts_step(self) -> bool:
        token = self._peek
        return token.kind == "name" or (token.kind == "symbol" and token.text in {".", "..", "@", "*"})

    def _steps_after_slash(self) -> tuple[Step, ...]:
        if self._symbol("//"):
            return (_ANY_DESCENDANT, *self._steps())
        return self._steps() if self._symbol("/") else ()

    def _steps(self) -> tuple[Step, ...]:
        steps = [self._step()]
        while slash := self._symbol("/", "//"):
            if slash == "//":
                steps.append(_ANY_DESCENDANT)
            steps.append(self._step())
        return tuple(steps)

    def _step(self) -> Step:
        if self._symbol("."):
            return Step("self", None, None, "node")
        if self._symbol(".."):
            return Step("parent", None, None, "node")
        axis = self._axis()
        module, name, test = self._node_test()
        return Step(axis, module, name, test, self._predicates())

    def _axis(self) -> str:
        if self._symbol("@"):
            return "attribute"
        following = self._tokens[min(self._at + 1, len(self._tokens) - 1)]
        if self._peek.kind == "name" and (following.kind, following.text) == ("symbol", "::"):
            axis = self._next().text
            self._next()
            if axis not in AXES:
                raise self._fault(f"unknown axis {axis!r}")
            return axis
        return "child"

    def _node_test(self) -> tuple[str | None, str | None, str]:
        if self._symbol("*"):
            return None, None, "name"
        token = self._next()
        if token.kind != "name":
            raise self._fault(f"expected a name, found {token.text!r}" if token.text else "ends where a name should be")
        if token.text in NODE_TESTS and self._symbol("("):
            if self._peek.kind == "literal":
                self._next()
            self._expect(")")
            return None, None, token.text
        prefix, colon, name = token.text.rpartition(":")
        module = self._module(prefix) if colon else self._default
        return module, None if name == "*" else name, "name"

    def _module(self, prefix: str) -> str:
        try:
            return self._modules[prefix]
        except KeyError:
            raise self._fault(f"unknown prefix {prefix!r}") from None

    def _predicates(self) -> tuple[Expr, ...]:
        predicates = []
        while self._symbol("["):
            predicates.append(self._or())
            self._expect("]")
        return tuple(predicates)

    # ===== primaries =====

    def _primary(self) -> Expr:
        token = self._next()
        if token.kind == "number":
            return Number(float(token.text))
        if token.kind == "literal":
            return Literal(token.text[1:-1], self._identity_name(token.text[1:-1]))
        if token.kind == "variable":
            return Variable(token.text)
        if token.kind == "symbol":
            expr = self._or()
            self._expect(")")
            return expr
        return self._call(token.text)

    def _identity_name(self, text: str) -> str | None:
        prefix, colon, name = text.rpartition(":")
        module = self._modules.get(prefix) if colon else self._default
        return f"{module}:{name}" if module and re.fullmatch(_NCNAME, name) else None

    def _call(self, name: str) -> Expr:
        if name not in FUNCTIONS:
            raise self._fault(f"unknown function {name!r}")
        self._expect("(")
        args: list[Expr] = []
        while not self._symbol(")"):
            if args:
                self._expect(",")
            args.append(self._or())
        fewest, most = FUNCTIONS[name]
        if not fewest <= len(args) <= most:
            raise self._fault(f"{name}() does not take {len(args)} arguments")
        return Call(name, tuple(args))


_ANY_DESCENDANT = Step("descendant-or-self", None, None, "node")

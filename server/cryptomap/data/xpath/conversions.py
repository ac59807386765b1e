"""From one XPath type to another, and comparison (XPath 1.0 sections 3.4, 3.5 and 4)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from cryptomap.data.xpath.cursor import Result

if TYPE_CHECKING:
    from cryptomap.data.xpath.env import Env

__all__ = ["ARITHMETIC", "COMPARISONS", "compare", "number_of", "to_boolean", "to_number", "to_text"]


def to_boolean(value: Result) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, float):
        return value != 0 and not math.isnan(value)
    return bool(value)


def to_number(value: Result, env: Env) -> float:
    if isinstance(value, bool):
        return 1.0 if value else 0.0
    if isinstance(value, float):
        return value
    return number_of(value if isinstance(value, str) else to_text(value, env))


_NUMBER = re.compile(r"[ \t\r\n]*(-?(?:\d+(?:\.\d*)?|\.\d+))[ \t\r\n]*")


def number_of(text: str) -> float:
    match = _NUMBER.fullmatch(text)
    return float(match[1]) if match else math.nan


def to_text(value: Result, env: Env) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _text_of(value)
    return value[0].text(env) if value else ""


def _text_of(number: float) -> str:
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    if number == int(number):
        return str(int(number))
    text = repr(number)
    return format(number, "f").rstrip("0") if "e" in text else text


COMPARISONS: Mapping[str, Callable[[object, object], bool]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,  # type: ignore[operator]
    "<=": lambda a, b: a <= b,  # type: ignore[operator]
    ">": lambda a, b: a > b,  # type: ignore[operator]
    ">=": lambda a, b: a >= b,  # type: ignore[operator]
}


def _divide(a: float, b: float) -> float:
    if b != 0:
        return a / b
    return math.nan if a == 0 or math.isnan(a) else math.copysign(math.inf, a) * math.copysign(1.0, b)


ARITHMETIC: Mapping[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "div": _divide,
    "mod": lambda a, b: math.fmod(a, b) if b != 0 and not math.isinf(a) else math.nan,
}


def compare(op: str, left: Result, right: Result, env: Env) -> bool:
    """XPath 1.0 section 3.4: a node-set compares as "some node does"."""
    if isinstance(left, list) and not isinstance(right, bool):
        if isinstance(right, list):
            env.count(len(left) * len(right))
        return any(compare(op, node.text(env), right, env) for node in left)
    if isinstance(right, list) and not isinstance(left, bool):
        return any(compare(op, left, node.text(env), env) for node in right)
    test = COMPARISONS[op]
    if op in {"=", "!="}:
        if isinstance(left, bool) or isinstance(right, bool):
            return test(to_boolean(left), to_boolean(right))
        if isinstance(left, str) and isinstance(right, str):
            return test(left, right)
    return test(to_number(left, env), to_number(right, env))

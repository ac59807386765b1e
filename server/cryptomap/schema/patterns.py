"""Regular expressions of YANG (XSD's, RFC 7950 section 9.4.5) as matchers whose time does not explode.

A client chooses the text, and in ``re-match()`` of a filter the expression, too. Python's ``re`` tries one way after
the other: ``(a*)*b`` takes twice as long with each further ``a``, and holds the interpreter all the while. So only what
cannot do that runs on ``re``, which is the fastest for it; the rest runs on RE2, whose time is proportional to the
text.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final, TypeAlias

__all__ = ["Matcher", "PatternFault", "is_harmless", "linear_matcher", "matcher", "translated"]

Matcher: TypeAlias = Callable[[str], object]
"""Whether it matches all of a text, as a truth value."""

log = logging.getLogger(__name__)

_MEMORY: Final = 8 * 2**20
_ANCHORED = re.compile(r"\^\(\?:(.*)\)\$\(\?!\\n\\Z\)", re.DOTALL)
_ONE_CHARACTER = re.compile(r"\\.|\[\^?(?:\\.|[^\]\\])*\]", re.DOTALL)
_CLASSES: Final = frozenset((r"\d", r"\D", r"\s", r"\S", r"\w", r"\W"))
_REPEATED_GROUP = re.compile(r"\)(?:[*+]|\{\d*[4-9]|\{\d\d|\{\d*,)")
_REPEATED = re.compile(r"[*+]|\{\d+,\}|\{\d*,?\d{3,}\}")


class PatternFault(ValueError):
    """It is no regular expression, or one that is too large; the text says why."""


def translated(text: str) -> str:
    """The same expression for ``fullmatch`` of Python's ``re``. Raises PatternFault."""
    from elementpath.regex import RegexError

    try:
        python = _ONE_CHARACTER.sub(_spelled_out, _translate(text))
        re.compile(python)
    except (RegexError, re.error, RecursionError, OverflowError) as fault:
        raise PatternFault(str(fault)) from None
    return python


def _translate(text: str) -> str:
    from elementpath import translate_pattern  # a tenth of a second, and most starts need no new pattern

    return str(translate_pattern(text, back_references=False, lazy_quantifiers=False, anchors=False))


def _spelled_out(item: re.Match[str]) -> str:
    """``\\d``, ``\\s`` and ``\\w`` as classes of the characters that XSD means; Python and RE2 mean others."""
    return _class_of(item[0]) if item[0] in _CLASSES else item[0]


@lru_cache(maxsize=len(_CLASSES))
def _class_of(escape: str) -> str:
    anchored = _ANCHORED.fullmatch(_translate(f"[{escape}]"))
    assert anchored is not None
    return anchored[1]


def matcher(python: str) -> Matcher:
    """The matcher of a translated pattern of a module. One that RE2 does not take runs on ``re`` all the same, and a
    warning says so: who loads modules is trusted, a value must not be refused for it."""
    if is_harmless(python):
        return re.compile(python).fullmatch
    try:
        return linear_matcher(python)
    except PatternFault as fault:
        log.warning("values that meet the pattern %s may take long to check: %s", python, fault)
        return re.compile(python).fullmatch


def linear_matcher(python: str) -> Matcher:
    """The matcher of a translated pattern, on RE2. Raises PatternFault if it is too large for that."""
    import re2

    options = re2.Options()
    options.max_mem = _MEMORY
    options.never_capture = True
    options.log_errors = False
    anchored = _ANCHORED.fullmatch(python)
    try:
        fullmatch = re2.compile(anchored[1] if anchored else python, options).fullmatch
    except re2.error as fault:
        reason = fault.args[0]
        raise PatternFault(reason.decode() if isinstance(reason, bytes) else str(reason)) from None
    return lambda text: fullmatch(text.encode("utf-8", "replace"))


def is_harmless(python: str) -> bool:
    """Whether ``re`` can only go one way: at most one repetition without a small bound, and that of one character."""
    outline = _ONE_CHARACTER.sub("c", python)
    return not _REPEATED_GROUP.search(outline) and len(_REPEATED.findall(outline)) <= 1

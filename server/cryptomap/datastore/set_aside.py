"""What the schema of today refuses of the stored configuration is kept in files of the state directory, each shown
until somebody acknowledges it. The name of a file says which: nothing else has to be remembered."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

from lxml import etree

from cryptomap.datastore.salvage import Refused
from cryptomap.datastore.statedir import publish, write_durably

__all__ = ["SetAside", "acknowledge", "files", "keep"]

log = logging.getLogger(__name__)

_NAME: Final = re.compile(r"refused-after-(\d+)(-\d+)?\.xml")
_DASHES: Final = re.compile("-(?=-)")  # a comment holds no two of them


@dataclass(frozen=True, slots=True)
class SetAside:
    """A file; ``commit``: after which commit its data was running; ``time``: when it was set aside, seconds since the
    epoch; ``reasons``: why, one for each item in it."""

    path: Path
    commit: int
    time: float
    reasons: tuple[str, ...]


def keep(directory: Path, commit: int, refused: Refused) -> Path:
    """Write what was refused to a file of its own, durably, and say so. Raises OSError."""
    pieces = [b"<refused>\n"]
    for reason, xml in refused:
        pieces += [b"<!-- ", _DASHES.sub("- ", reason).encode(), b" -->\n", xml, b"\n"]
    content = b"".join([*pieces, b"</refused>\n"])
    path = _free(directory, commit, content)
    write_durably(path, [content])
    log.error("%d stored items do not fit the schema: set aside in %s", len(refused), path)
    return path


def _free(directory: Path, commit: int, content: bytes) -> Path:
    """A name that no other content has: running and startup may both lose something after the same commit."""
    names = (f"refused-after-{commit}{f'-{number}' if number > 1 else ''}.xml" for number in count(1))
    paths = (directory / name for name in names)
    return next(path for path in paths if not path.exists() or path.read_bytes() == content)


def files(directory: Path) -> Iterator[SetAside]:
    """Those nobody has acknowledged, by name."""
    for path in sorted(directory.glob("refused-after-*.xml")):
        if found := _NAME.fullmatch(path.name):
            yield SetAside(path, int(found[1]), path.stat().st_mtime, tuple(_reasons(path)))


def _reasons(path: Path) -> Iterator[str]:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True, recover=True)
    try:
        root = etree.fromstring(path.read_bytes(), parser)
    except etree.XMLSyntaxError:
        return  # somebody has edited it
    for comment in root.iterchildren(etree.Comment) if root is not None else ():
        yield (comment.text or "").strip()


def acknowledge(file: SetAside) -> Path:
    """Show it no more; the data stays, in a file whose name says so. Raises OSError."""
    path = file.path.with_name(f"acknowledged-{file.path.name}")
    publish(file.path, path)
    log.info("%s is acknowledged: it is %s now", file.path, path.name)
    return path

"""Where YANG module files are: the user's directories, ours, and those the pyang distribution installs."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path

from cryptomap.schema.faults import SchemaFault

__all__ = ["Source", "find_sources", "own_directory", "read_directory"]

_FILE_NAME = re.compile(r"(?P<name>[A-Za-z_][\w.-]*?)(?:@(?P<revision>\d{4}-\d{2}-\d{2}))?\.(?P<format>yang|yin)")
_FIRST_WORD = re.compile(r"(?:\s|//[^\n]*|/\*.*?\*/|<\?.*?\?>|<!--.*?-->)*<?([\w-]+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Source:
    """One module file. ``revision`` is that of the file name, if it has one."""

    name: str
    revision: str | None
    format: str
    path: Path
    text: str

    @property
    def is_submodule(self) -> bool:
        first = _FIRST_WORD.match(self.text)
        return first is not None and first[1] == "submodule"


def find_sources(yang_dirs: Sequence[Path] = ()) -> tuple[list[Source], list[Source]]:
    """All module files that can be loaded: (those in the user's directories, ours and the IETF's). SchemaFault if a
    directory cannot be read."""
    users = [source for directory in yang_dirs for source in read_directory(directory)]
    others = [source for directory in (own_directory(), *_ietf_directories()) for source in read_directory(directory)]
    return users, others


def own_directory() -> Path:
    """The directory of the project's own modules: in the installed package, or in the checkout."""
    installed = Path(str(resources.files("cryptomap"))) / "yang"
    return installed if installed.is_dir() else Path(__file__).resolve().parents[3] / "yang"


def _ietf_directories() -> list[Path]:
    """``iana`` and ``ietf`` below share/yang/modules of the pyang distribution, wherever it is installed."""
    for base in _share_candidates():
        found = [base / name for name in ("iana", "ietf") if (base / name).is_dir()]
        if found:
            return found
    raise SchemaFault("the IETF's YANG modules are missing: the installed pyang has no share/yang/modules")


def _share_candidates() -> Iterable[Path]:
    yield Path(sys.prefix) / "share" / "yang" / "modules"
    for file in metadata.files("pyang") or ():
        if file.name == "ietf-inet-types.yang":
            yield Path(str(file.locate())).resolve().parent.parent


def read_directory(directory: Path) -> list[Source]:
    """The module files directly in a directory and below it, by path."""
    if not directory.is_dir():
        raise SchemaFault(f"{directory} is not a directory of YANG modules")
    matches = ((path, _FILE_NAME.fullmatch(path.name)) for path in sorted(directory.rglob("*")) if path.is_file())
    return [
        Source(match["name"], match["revision"], match["format"], path, _read(path))
        for path, match in matches
        if match is not None
    ]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SchemaFault(f"{path}: {error}") from None

"""The licences of everything that is installed with cryptomap, from the metadata of the packages.

``python -m support.licences`` in ``tests`` writes docs/licences.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Final

__all__ = ["DOCUMENT", "licence_of", "needed"]

DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "licences.md"

_HEAD: Final = """# Licences

What `pip install cryptomap` brings, and what only development and tests need, with the licence each package states.
cryptomap itself is under Apache-2.0. Made by `cd tests && python -m support.licences`; checked by
`unit/daemon/test_supply_chain.py`.

asyncssh is used under EPL-2.0, as a library and unchanged. pyang's YANG modules of the IETF are read where pyang
installs them and not copied.
"""


def needed(extra: str = "") -> set[str]:
    """The packages that are installed because cryptomap (with that extra) needs them, directly or not."""
    found: set[str] = set()
    waiting = list(_required("cryptomap", extra))
    while waiting:
        name = waiting.pop()
        if name not in found and _is_installed(name):
            found.add(name)
            waiting += _required(name)
    return found


def licence_of(name: str) -> str:
    """As its metadata has it: an expression, else a short name, else a classifier."""
    fields = metadata.metadata(name)
    expression = fields.get("License-Expression")
    if expression:
        return str(expression)
    stated = str(fields.get("License") or "")
    classifiers = [
        text.split(" :: ")[-1] for text in fields.get_all("Classifier") or [] if text.startswith("License ::")
    ]
    named = [text for text in classifiers if text != "OSI Approved"]
    return stated if stated and len(stated) < 40 and "\n" not in stated else " or ".join(named) or stated.split("\n")[0]


def _required(name: str, extra: str = "") -> Iterator[str]:
    for requirement in metadata.requires(name) or ():
        wanted = re.search(r"extra == ['\"]([\w-]+)['\"]", requirement)
        if (wanted[1] if wanted else "") in ("", extra):
            yield re.split(r"[^\w.-]", requirement)[0].lower().replace("_", "-")


def _is_installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _table(names: set[str]) -> str:
    rows = "".join(f"| {name} | {licence_of(name)} |\n" for name in sorted(names))
    return f"| Package | Licence |\n|---|---|\n{rows}"


def main() -> None:
    run_time = needed() | needed("strongswan")
    development = needed("dev") - run_time
    text = f"{_HEAD}\n## Installed with it\n\n{_table(run_time)}\n## Development and tests\n\n{_table(development)}"
    DOCUMENT.write_text(text)


if __name__ == "__main__":
    main()

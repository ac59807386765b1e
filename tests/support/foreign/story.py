"""What every foreign client does: the steps, what they are about, and what it must have been told after each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias, get_args

from support.server import Daemon
from support.state import NS

__all__ = ["BASE", "MONITORING", "NOTIFICATION", "STEPS", "TOLD", "Client", "Role", "Step", "Steps"]

Step: TypeAlias = Literal[
    "hello",
    "lock",
    "edit",
    "validate",
    "commit",
    "confirmed-commit",
    "cancel",
    "subtree",
    "xpath",
    "get-schema",
    "notification",
    "error",
    "unlock",
    "close",
]
STEPS: Final[tuple[Step, ...]] = get_args(Step)

BASE: Final = NS["nc"]
MONITORING: Final = NS["ncm"]
NOTIFICATION: Final = NS["ncn"]


@dataclass(frozen=True)
class Role:
    """Who a client logs in as, where to, and what it is to send: the transform set of its own name gets a DSCP.

    ``directory`` is the client's own; ``stir`` makes the server send a notification to those who subscribed.
    """

    name: str
    daemon: Daemon
    directory: Path
    stir: Callable[[], None]

    @property
    def host(self) -> str:
        return self.daemon.host

    @property
    def port(self) -> int:
        return self.daemon.port

    @property
    def key(self) -> str:
        return str(self.daemon.key)

    def data(self, dscp: int | None = None) -> str:
        """The transform set with that DSCP, or what selects it."""
        leaf = "" if dscp is None else f"<dscp>{dscp}</dscp>"
        return (
            f'<contexts xmlns="{NS["ctx"]}"><context><name>ipsec-d</name>'
            f'<ipsec-transform-set xmlns="{NS["ips"]}"><name>{self.name}</name>{leaf}</ipsec-transform-set>'
            "</context></contexts>"
        )

    def config(self, dscp: int) -> str:
        return f'<config xmlns="{BASE}">{self.data(dscp)}</config>'

    @property
    def xpath(self) -> str:
        """Selects it without prefixes, which not every client can declare."""
        return f"//*[local-name()='ipsec-transform-set'][*='{self.name}']"

    def file(self, name: str, content: str) -> Path:
        """A file in the client's directory."""
        path = self.directory / name
        path.write_text(content)
        return path


Steps: TypeAlias = Mapping[Step, Callable[[], object]]
"""What a client does for each step it can do; the result's text is what it shows its user."""

Client: TypeAlias = Callable[[Role], AbstractContextManager[Steps]]
"""Logs in for a story."""

_OK = (r"<(\w+:)?ok\b|RPC OK Reply|^None$|'failed': False",)
_MINE = (r"<dscp>46</dscp>", r"^(?!.*A-foo)")
TOLD: Final[Mapping[Step, tuple[str, ...]]] = {
    "hello": (r"\bbase:1\.1\b", r"candidate:1\.0", r"confirmed-commit:1\.1", r"interleave:1\.0"),
    "lock": _OK,
    "edit": _OK,
    "validate": _OK,
    "commit": _OK,
    "confirmed-commit": _OK,
    "cancel": _OK,
    "subtree": _MINE,
    "xpath": _MINE,
    "get-schema": (r"module cryptomap-acl \{", r"list access-list \{"),
    "notification": (r"<netconf-session-start\b.*<username>witness</username>",),
    "error": (r"'64' is not in the range 0\.\.63",),
    "unlock": _OK,
    "close": (r"<ok\b|^None$|shut by remote peer",),
}
"""Patterns that are all found in what a client shows. ``None`` is what a library returns that raises what is no ok."""

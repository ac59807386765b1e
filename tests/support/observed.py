"""cryptomapd, run so that a test knows where it is: each step of a transaction is told through one pipe, and it goes on
when a byte has come back through another. A killed server has then ended exactly there.

Checkpoints are written far more often than they are needed, so that there are some to be killed in.
"""

from __future__ import annotations

import os
from functools import partial

from cryptomap.daemon import cli, daemon
from cryptomap.datastore import checkpoints

TOLD, LET_GO = (int(number) for number in os.environ["OBSERVED_PIPES"].split())


def step(name: str) -> None:
    os.write(TOLD, f"{name}\n".encode())
    os.read(LET_GO, 1)


if __name__ == "__main__":
    checkpoints.MINIMUM_WEIGHT = 8192
    daemon.Datastores = partial(daemon.Datastores, step=step)  # type: ignore[assignment, attr-defined]
    cli.main(prog_name="cryptomapd")

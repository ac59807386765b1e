"""``python -m cryptomap_backend.helper --socket PATH [--user NAME] [--settings FILE]``."""

from __future__ import annotations

import argparse
import json
import logging
import pwd
import signal
import sys
import threading
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptomap_backend.helper.guard import Guard
from cryptomap_backend.helper.server import HelperServer
from cryptomap_backend.linux.local import LocalKernel
from cryptomap_backend.linux.settings import Settings
from cryptomap_backend.load import SettingsFault


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT. Prints ``helper ready PATH`` once it can be reached; 2 for bad options."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    try:
        settings = Settings.of(_table(options.settings))
        user = pwd.getpwnam(options.user).pw_uid
        server = HelperServer(options.socket, user, Guard(settings), lambda: LocalKernel(settings.reqids))
    except (OSError, KeyError, ValueError, SettingsFault) as fault:
        print(f"the helper cannot serve on {options.socket}: {fault}", file=sys.stderr)
        return 2
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"helper ready {options.socket}", flush=True)
    with server:
        server.serve_forever(poll_interval=0.2)
    Path(options.socket).unlink(missing_ok=True)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cryptomap_backend.helper", description="Does the kernel's part of cryptomap for an unprivileged server."
    )
    parser.add_argument("--socket", required=True, help="path of the Unix socket to serve on")
    parser.add_argument("--user", default="root", help="the user the server runs as")
    parser.add_argument(
        "--settings",
        help="a JSON file with the settings of the backend, or a TOML file with them in table [backend.linux]",
    )
    return parser


def _table(path: str | None) -> Mapping[str, object]:
    """Without what is not for the kernel's side: the path of the helper itself."""
    if path is None:
        return {}
    text = Path(path).read_text()
    content = json.loads(text) if path.endswith(".json") else _of_daemon(tomllib.loads(text))
    return {name: value for name, value in content.items() if name not in ("name", "helper")}


def _of_daemon(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """The table [backend.linux] of the daemon's settings, or a whole table [backend] of our own."""
    backend = settings.get("backend", {})
    return backend.get("linux", backend)  # type: ignore[no-any-return]


if __name__ == "__main__":
    sys.exit(main())

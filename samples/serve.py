"""``make serve``: a server that stays, with the simulator as backend and the seed's sample as first configuration.

make serve [LISTEN=127.0.0.1:8300] [STATE=.state]
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from local_server import command, make_key

from cryptomap.transport.hostkey import load_host_key

SAMPLES = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", default="127.0.0.1:8300")
    parser.add_argument("--state-dir", type=Path, default=Path(".state"))
    options = parser.parse_args()
    key = make_key(options.state_dir / "admin-key")
    state = options.state_dir / "server"
    first = [] if (state / "journal.sqlite").exists() else ["--startup", str(SAMPLES / "seed.xml")]
    host, _, port = options.listen.rpartition(":")
    known_hosts = options.state_dir / "known_hosts"
    known_hosts.write_bytes(f"[{host}]:{port} ".encode() + load_host_key(state).export_public_key())
    login = f"--connect {options.listen} --user admin --identity {key} --known-hosts {known_hosts}"
    server = f"--host {host} --port {port}"
    print(
        f"Another terminal can talk to it as user admin with the key {key}, for example:\n"
        f"  .venv/bin/netconf-console2 {server} --user admin --privKeyFile {key} --password '' --hello\n"
        f"  .venv/bin/python samples/export_state.py {server} --key {key}\n"
        f"  .venv/bin/cryptomapd show {login} crypto map tag foo0\n"
        "Ctrl-C stops it; what was committed is there again at the next start.",
        flush=True,
    )
    arguments = command(state, key, options.listen, first)
    os.execv(arguments[0], arguments)


if __name__ == "__main__":
    main()

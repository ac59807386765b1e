"""``make serve``: a server that stays, with the simulator as backend and the seed's sample as first configuration.

make serve [LISTEN=127.0.0.1:8300] [WEB=127.0.0.1:8480] [STATE=.state]
make serve-empty    the same with nothing configured yet

Where it is and how to log in is left in STATE/login, for ``. .state/login`` in a shell.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path

from local_server import command, make_key, make_web

from cryptomap.transport.hostkey import load_host_key

SAMPLES = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", default="127.0.0.1:8300")
    parser.add_argument("--web", default="127.0.0.1:8480", help="RESTCONF and the console, on loopback")
    parser.add_argument("--state-dir", type=Path, default=Path(".state"))
    parser.add_argument("--empty", action="store_true", help="without the sample")
    options = parser.parse_args()
    key = make_key(options.state_dir / "admin-key")
    state = options.state_dir / ("empty" if options.empty else "server")
    sample = not options.empty and not (state / "journal.sqlite").exists()
    first = ["--startup", str(SAMPLES / "seed.xml")] if sample else []
    host, _, port = options.listen.rpartition(":")
    known_hosts = options.state_dir / "known_hosts"
    known_hosts.write_bytes(f"[{host}]:{port} ".encode() + load_host_key(state).export_public_key())
    (options.state_dir / "login").write_text(login(host, port, key, known_hosts))
    web = make_web(options.state_dir, options.web)
    server = f"--host {host} --port {port}"
    print(
        f"Another terminal can talk to it as user admin with the key {key}, for example:\n"
        f"  .venv/bin/netconf-console2 {server} --user admin --privKeyFile {key} --password '' --hello\n"
        f"  .venv/bin/python samples/export_state.py {server} --key {key}\n"
        f"  . {options.state_dir}/login; cryptomapd history\n"
        f"The console is at http://{options.web}/console/ for user admin with the password {web.password}\n"
        "Ctrl-C stops it; what was committed is there again at the next start.",
        flush=True,
    )
    arguments = command(state, key, options.listen, [*first, "--config", str(web.settings)])
    os.execv(arguments[0], arguments)


def login(host: str, port: str, key: Path, known_hosts: Path) -> str:
    """What a shell reads to know the programs, the server and the user: for cryptomapd its variables, for
    netconf-console2 a function ``nc2`` (its empty password is meant: the key has none)."""
    variables = {
        "CRYPTOMAP_CONNECT": f"{host}:{port}",
        "CRYPTOMAP_USER": "admin",
        "CRYPTOMAP_IDENTITY": str(key.resolve()),
        "CRYPTOMAP_KNOWN_HOSTS": str(known_hosts.resolve()),
    }
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    lines.append(f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH")
    options = f"--host {host} --port {port} --user admin --privKeyFile {shlex.quote(str(key.resolve()))}"
    lines.append(f"nc2() {{ netconf-console2 {options} --password '' \"$@\"; }}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()

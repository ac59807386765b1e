"""The settings file: what is read, and the one line each fault is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cryptomap.daemon.settings import CallHome, CertToName, Settings, SettingsFault, Tls, load, parse_listen

WHOLE = """
[server]
listen = "[::1]:830"
state-dir = "state"
yang-dirs = ["yang", "/opt/yang"]

[limits]
sessions = 10
idle-timeout = 600

[backend]
name = "simulator"
deadline = 5

[backend.simulator]
seed = 7

[platform]
role = "control-plane"
product = "vpc-si"
vpp = true

[policy]
day1 = "enforce"

[tls]
listen = "[::]:6513"
certificate = "server.pem"
key = "server.key"
client-ca = "clients.pem"

[[tls.cert-to-name]]
map-type = "specified"
fingerprint = "04:AB"
name = "alice"

[[tls.cert-to-name]]
map-type = "san-any"

[call-home.nms]
endpoints = ["192.0.2.10:4334", "[2001:db8::1]:4334"]
start-with = "last-connected"
back-off = 2

[users.alice]
keys = ["ssh-ed25519 AAAA alice"]

[users.root]
authorized-keys = "root.keys"
recovery = true
"""


def read(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "cryptomapd.toml"
    path.write_text(text)
    return load(path)


def test_the_whole_file(tmp_path: Path) -> None:
    settings = read(tmp_path, WHOLE)
    assert settings.server.listen == "[::1]:830"
    assert settings.server.state_dir == tmp_path / "state"  # relative paths are relative to the file
    assert settings.server.yang_dirs == (tmp_path / "yang", Path("/opt/yang"))
    assert (settings.limits.sessions, settings.limits.idle_timeout) == (10, 600.0)
    assert (settings.backend.name, settings.backend.deadline) == ("simulator", 5.0)
    assert settings.backend.options == {"simulator": {"seed": 7}}
    assert (settings.platform.role, settings.platform.product, settings.platform.vpp) == (
        "control-plane",
        "vpc-si",
        True,
    )
    assert settings.policy.day1 == "enforce"
    assert settings.tls == Tls(
        "[::]:6513",
        tmp_path / "server.pem",
        tmp_path / "server.key",
        tmp_path / "clients.pem",
        cert_to_name=(CertToName("specified", "04:AB", "alice"), CertToName("san-any")),
    )
    endpoints = ("192.0.2.10:4334", "[2001:db8::1]:4334")
    assert settings.call_home == {
        "nms": CallHome(endpoints=endpoints, start_with="last-connected", back_off=2.0),
    }
    assert settings.users["alice"].keys == ("ssh-ed25519 AAAA alice",)
    assert settings.users["root"].recovery
    assert settings.users["root"].authorized_keys == tmp_path / "root.keys"


def test_the_settings_of_the_readme_are_settings(tmp_path: Path) -> None:
    readme = (Path(__file__).parents[3] / "README.md").read_text()
    blocks = re.findall(r"^```toml\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        assert read(tmp_path, block) != Settings()


FAULTS = [
    ("[server]\nlisten-on = '::'\n", "unknown key 'listen-on'; did you mean 'listen'?"),
    ("[serverr]\n", "unknown key 'serverr'; did you mean 'server'?"),
    ("[server]\nlisten = 830\n", "listen has a value of the wrong type: 830"),
    ("[limits]\nsessions = 'many'\n", "sessions has a value of the wrong type: 'many'"),
    ("[limits]\nsessions = true\n", "sessions has a value of the wrong type: True"),
    ("[platform]\nrole = 'boss'\n", "platform.role is 'boss', which is none of user-plane, control-plane"),
    ("[users.eve]\nadmin = true\n", "users.eve unknown key 'admin'"),
    ("call-home = 3\n", "call-home must be a table"),
    ("[call-home]\nnms = 3\n", "call-home.nms must be a table"),
    ("[call-home.nms]\nendpoint = []\n", "call-home.nms unknown key 'endpoint'; did you mean 'endpoints'?"),
    ("[call-home.nms]\ntransport = 'http'\n", "call-home.nms.transport is 'http', which is none of ssh, tls"),
    ("[call-home.nms]\nstart-with = 'x'\n", "start-with is 'x', which is none of first-listed, last-connected"),
    ("[call-home.nms]\nmax-attempts = 0\n", "call-home.nms.max-attempts must be 1 or more"),
    ("[call-home.nms]\nback-off = 0\n", "call-home.nms.back-off must be 0.1 or more"),
    ("[[tls.cert-to-name]]\nmap = 'x'\n", "cert-to-name unknown key 'map'"),
    ("users = 3\n", "users must be a table"),
    ("backend = 3\n", "backend must be a table"),
    ("server = 3\n", "server must be a table"),
    ("not toml", "is not TOML"),
    ("[server]\nyang-dirs = [1]\n", "yang-dirs has a value of the wrong type: 1"),
]


@pytest.mark.parametrize(("text", "said"), FAULTS, ids=[said for _, said in FAULTS])
def test_a_fault_is_one_line_that_names_the_culprit(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsFault) as caught:
        read(tmp_path, text)
    line = str(caught.value)
    assert said in line
    assert "cryptomapd.toml" in line
    assert "\n" not in line


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsFault, match=r"cannot read settings file .*none\.toml: No such file"):
        load(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("127.0.0.1:0", ("127.0.0.1", 0)), ("[::1]:830", ("::1", 830)), ("localhost:22", ("localhost", 22))],
)
def test_listen_addresses(text: str, wanted: tuple[str, int]) -> None:
    assert parse_listen(text) == wanted


@pytest.mark.parametrize("text", ["830", ":830", "host:", "host:ssh", "host:70000", "host:-1"])
def test_what_is_no_listen_address(text: str) -> None:
    with pytest.raises(SettingsFault, match=r"is not ADDR:PORT"):
        parse_listen(text)

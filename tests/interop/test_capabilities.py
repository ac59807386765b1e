"""Each capability of the hello, used by a client that others wrote, against a server with all options on.

docs/conformance.md says for each capability which test that is, or which conversation in ``tests/recorded``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lxml import etree
from ncclient import manager
from ncclient.operations import RPCError
from netconf_client.connect import connect_ssh
from netconf_client.ncclient import Manager

from cryptomap.netconf.capabilities import Capability
from support.foreign.story import Role
from support.foreign.terminals import yangcli
from support.server import PATIENCE, ROOT, SAMPLES, Daemon
from support.state import NS, texts

TESTS = ROOT / "tests"
LIBRARY = "urn:ietf:params:xml:ns:yang:ietf-yang-library"
SET_DSCP = (
    f'<config xmlns="{NS["nc"]}"><contexts xmlns="{NS["ctx"]}"><context><name>ipsec-d</name>'
    f'<ipsec-transform-set xmlns="{NS["ips"]}"><name>capabilities</name><dscp>%s</dscp></ipsec-transform-set>'
    "</context></contexts></config>"
)
UPDATE = (
    '<update xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-private-candidate">'
    "<resolution-mode>prefer-candidate</resolution-mode></update>"
)
DSCP = "//ips:ipsec-transform-set[ips:name='capabilities']/ips:dscp"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def server(make_daemon: Callable[..., Daemon], files: Path) -> Daemon:
    options = f'[server]\nstartup-datastore = true\nwritable-running = true\nurl-dir = "{files}"\n'
    daemon = make_daemon(settings=options, options=["--startup", str(SAMPLES / "seed.xml")])
    daemon.schema_cache = None  # with other features on, others have no use for it
    return daemon.start()


@pytest.fixture
def session(server: Daemon) -> Iterator[manager.Manager]:
    with server.connect() as session:
        yield session


# ===== all of them =====


def rows() -> dict[str, list[tuple[str, str]]]:
    """Capability or module -> what proves it: (file, name of the test) or (recording, "")."""
    section = (ROOT / "docs" / "conformance.md").read_text().partition("## Capabilities of the hello")[2]
    found = re.findall(r"^\| `([\w.:-]+)`[^|]* \| (.*) \|$", section.partition("\n## ")[0], re.MULTILINE)
    return {name: re.findall(r"`([\w/.-]+?)(?:::(\w+))?`", proof) for name, proof in found}


def test_each_capability_of_the_hello_is_used_by_somebody(session: manager.Manager) -> None:
    announced = [Capability.parse(uri) for uri in session.server_capabilities]
    protocol = {short(capability.uri) for capability in announced if "module" not in capability.parameters}
    assert protocol == {*rows()} - {"module"}  # test_modules takes all of those


def short(uri: str) -> str:
    return re.sub(r"^urn:ietf:params:netconf:(capability:)?", "", uri)


@pytest.mark.parametrize(("capability", "proofs"), rows().items())
def test_what_the_rows_name_is_there(capability: str, proofs: list[tuple[str, str]]) -> None:
    assert proofs
    for file, name in proofs:
        content = (TESTS / file).read_text()
        assert name == "" or re.search(rf"^(async )?def {name}\(", content, re.MULTILINE)
        assert name != "" or file.startswith("recorded/")


def test_modules(session: manager.Manager) -> None:
    """What the hello says of a module is what get-schema gives."""
    for capability in map(Capability.parse, session.server_capabilities):
        if "module" in capability.parameters:
            name, revision = capability.parameters["module"], capability.parameters["revision"]
            module = session.get_schema(name, revision).data
            assert f"module {name} " in module
            assert f'"{capability.uri}"' in module


# ===== one by one =====


def test_base_1_0(server: Daemon, tmp_path: Path) -> None:
    """yangcli can be told to keep to the old framing."""
    with yangcli(Role(server.user, server, tmp_path, lambda: None), "--protocols=netconf1.0") as steps:
        assert "(base:1.0)" in str(steps["hello"]())
        for step in ("lock", "edit", "validate"):
            assert "RPC OK Reply" in str(steps[step]())
        assert "module cryptomap-acl {" in str(steps["get-schema"]())
        assert "RPC OK Reply" in str(steps["unlock"]())


def test_rollback_on_error(session: manager.Manager) -> None:
    before = session.get_config("candidate").data_xml
    two = SET_DSCP.replace("</context></contexts>", "</context><context><name>x</name><nothing/></context></contexts>")
    with pytest.raises(RPCError) as caught:
        session.edit_config(target="candidate", config=two % 12, error_option="rollback-on-error")
    assert caught.value.tag == "unknown-element"
    assert session.get_config("candidate").data_xml == before


def test_validate(session: manager.Manager) -> None:
    session.validate("running")
    session.edit_config(target="candidate", config=SET_DSCP % 12, test_option="test-then-set")
    session.validate("candidate")
    session.discard_changes()


def test_with_defaults(session: manager.Manager) -> None:
    modes = {mode: session.get_config("running", with_defaults=mode).data_ele for mode in ("report-all", "explicit")}
    initiate = "//ctx:interface/ips:crypto-map/ips:initiate"
    assert len(texts(modes["report-all"], "//*")) > len(texts(modes["explicit"], "//*"))
    assert texts(modes["report-all"], initiate) != []


def test_private_candidate(server: Daemon, session: manager.Manager) -> None:
    """ncclient announces it as one more capability of its own."""
    session.edit_config(target="running", config=SET_DSCP % 20)
    private = {"capabilities": ["urn:ietf:params:netconf:capability:private-candidate:1.0"]}
    with server.connect(nc_params=private) as own:
        own.edit_config(target="candidate", config=SET_DSCP % 22)
        assert "<dscp>22</dscp>" not in session.get_config("candidate").data_xml
        session.edit_config(target="running", config=SET_DSCP % 24)
        with pytest.raises(RPCError) as caught:
            own.commit()
        assert caught.value.path.endswith("[cmi:name='capabilities']/cmi:dscp")
        own.dispatch(etree.fromstring(UPDATE))
        own.commit()
    assert texts(session.get_config("running").data_ele, DSCP) == ["22"]


def test_writable_running(session: manager.Manager) -> None:
    for dscp in ("12", "14"):
        session.edit_config(target="running", config=SET_DSCP % dscp)
        assert texts(session.get_config("running").data_ele, DSCP) == [dscp]


def test_startup(session: manager.Manager) -> None:
    session.edit_config(target="running", config=SET_DSCP % 16)
    session.copy_config(source="running", target="startup")
    assert texts(session.get_config("startup").data_ele, DSCP) == ["16"]


def test_url(session: manager.Manager, files: Path) -> None:
    session.edit_config(target="running", config=SET_DSCP % 18)
    session.copy_config(source="running", target="file:///copy.xml")
    assert "<dscp>18</dscp>" in (files / "copy.xml").read_text()
    session.edit_config(target="running", config=SET_DSCP % 20)
    session.copy_config(source="file:///copy.xml", target="running")
    assert texts(session.get_config("running").data_ele, DSCP) == ["18"]
    session.delete_config("file:///copy.xml")
    assert not (files / "copy.xml").exists()


def test_yang_library(server: Daemon) -> None:
    """netconf_client knows get-data, which the library announces; its content-id is that of the hello."""
    connection = connect_ssh(host=server.host, port=server.port, username=server.user, key_filename=str(server.key))
    session = Manager(connection, timeout=PATIENCE)
    try:
        library = session.get_data(
            filter=f'<subtree-filter><yang-library xmlns="{LIBRARY}"/></subtree-filter>'
        ).data_ele
        [announced] = [uri for uri in connection.server_capabilities if "yang-library:1.1" in uri]
        session.close_session()
    finally:
        connection.close()
    [content_id] = library.iterfind(f"{{{LIBRARY}}}yang-library/{{{LIBRARY}}}content-id")
    assert f"content-id={content_id.text}" in announced
    assert "cryptomap-ipsec" in [name.text for name in library.iterfind(f".//{{{LIBRARY}}}module/{{{LIBRARY}}}name")]

"""The console in a real browser (Debian's Chromium, without a window): what an operator does at night."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect, sync_playwright

from cryptomap.transport.passwords import hash_password
from cryptomap_backend.simulator.peers import Behaviour, Peer
from support.server import SAMPLES, Daemon, require
from support.world import WorldProcess

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PEER = ip_address("209.165.201.1")
"""The other end of foo0."""

SHOTS = os.environ.get("CRYPTOMAP_SCREENSHOTS")
"""A directory that takes pictures of what is tested here."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    program = require("chromium")
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tempfile.mkdtemp(dir=tmp_path_factory.getbasetemp()),
            executable_path=program,
            args=list(FLAGS),
            viewport={"width": 1280, "height": 760},
        )
        context.set_default_timeout(20_000)
        expect.set_options(timeout=20_000)
        yield context
        context.close()


@pytest.fixture(scope="module")
def world() -> Iterator[WorldProcess]:
    found = WorldProcess(seed=1)
    yield found
    found.close()


def settings(more: str = "") -> str:
    return f"""
[restconf]
listen = "127.0.0.1:0"
insecure = true
[users.operator]
recovery = true
password-hash = "{hash_password("secret")}"
{more}"""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory, world: WorldProcess) -> Iterator[Daemon]:
    found = Daemon(
        tmp_path_factory.mktemp("console"), ["--startup", str(SAMPLES / "seed.xml")], settings(world.settings)
    )
    yield found.start()
    found.close()


@pytest.fixture
def page(browser: BrowserContext) -> Iterator[Page]:
    """A page on which no error may appear."""
    found = browser.new_page()
    errors: list[str] = []
    found.on("pageerror", lambda error: errors.append(str(error)))
    found.on("console", lambda message: errors.append(message.text) if "Content Security" in message.text else None)
    yield found
    found.close()
    assert errors == []


def log_in(page: Page, daemon: Daemon, password: str = "secret") -> None:
    page.goto(f"{daemon.url}/")
    page.get_by_label("User", exact=True).fill("operator")
    page.get_by_label("Password").fill(password)
    page.keyboard.press("Enter")


def shot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"))


def test_log_in(page: Page, daemon: Daemon) -> None:
    log_in(page, daemon, "wrong")
    expect(page.get_by_role("alert")).to_have_text("That user and password do not fit.")
    shot(page, "login")
    log_in(page, daemon)
    expect(page.get_by_role("status").first).to_contain_text("live")
    expect(page.get_by_text("2 tunnels")).to_be_visible()


def test_a_packet_is_traced_through_the_picture(page: Page, daemon: Daemon) -> None:
    log_in(page, daemon)
    page.get_by_role("link", name="Marking").click()
    expect(page.get_by_label("priority 1, green: PCP 2, MPLS TC 6")).to_be_visible()
    page.get_by_role("button", name="Trace").click()
    picture = page.get_by_role("img", name="Outer DSCP: 40, Priority (cos): 1, L2 table: l2Marktable")
    expect(picture).to_be_visible()
    expect(page.locator(".heat .lit")).to_have_count(2)
    shot(page, "marking")


def test_a_dscp_is_planned_committed_reapplied_and_rolled_back(page: Page, daemon: Daemon) -> None:
    log_in(page, daemon)
    page.get_by_role("option").filter(has_text="foo0").click()
    page.get_by_label("DSCP of A-foo").fill("46")
    shot(page, "detail")
    page.get_by_role("button", name="Plan the change").click()
    expect(page.get_by_text("What the commit will do")).to_be_visible()
    expect(page.get_by_text("2 wait for a re-apply")).to_be_visible()
    expect(page.locator(".diff")).to_contain_text("dscp 46")
    page.get_by_label("Message of the commit").fill("voice goes first")
    shot(page, "plan")
    page.get_by_role("button", name="Commit").click()
    expect(page.get_by_role("heading", name="Commit 2")).to_be_visible()
    expect(page.get_by_role("button", name="voice goes first")).to_be_visible()
    shot(page, "history")

    page.get_by_role("link", name="Tunnels").click()
    expect(page.get_by_role("option").filter(has_text="foo0")).to_contain_text("40 → 46")
    shot(page, "pending")
    page.get_by_role("option").filter(has_text="foo0").get_by_role("button", name="Re-apply").click()
    expect(page.get_by_role("option").filter(has_text="foo0")).not_to_contain_text("→")

    page.get_by_role("link", name="History").click()
    page.get_by_role("button", name="first configuration").click()
    page.get_by_role("button", name="Roll back to here").click()
    expect(page.get_by_text("The rollback will do this")).to_be_visible()
    shot(page, "rollback")
    page.get_by_role("button", name="Roll back to commit 1").click()
    expect(page.get_by_role("heading", name="Commit 3")).to_be_visible()
    with daemon.connect() as session:
        assert "<dscp>40</dscp>" in session.get_config("running").data_xml
    page.get_by_role("link", name="Alarms").click()
    page.get_by_role("button", name="Re-apply").first.click()
    expect(page.get_by_text("All is well")).to_be_visible()


def test_keys_are_enough_and_both_palettes_are_there(page: Page, daemon: Daemon) -> None:
    log_in(page, daemon)
    expect(page.get_by_role("option").filter(has_text="foo1")).to_be_visible()
    page.get_by_role("listbox").focus()
    for key in ("End", "ArrowUp", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    expect(page.get_by_role("heading", name="foo1")).to_be_visible()
    page.get_by_role("button", name="auto").click()
    page.get_by_role("button", name="light").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    shot(page, "dark")
    page.get_by_role("button", name="dark").click()


def test_nothing_can_be_put_into_the_page(page: Page, daemon: Daemon) -> None:
    response = page.goto(f"{daemon.url}/console/")
    assert response is not None
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"
    assert page.evaluate("document.querySelectorAll('[style], script:not([src]), [onclick]').length") == 0


def test_ten_thousand_tunnels_have_few_elements(page: Page, daemon: Daemon) -> None:
    """The server's answer is made up here; the first rows are there before the last have arrived."""
    log_in(page, daemon)
    expect(page.get_by_text("2 tunnels")).to_be_visible()
    page.route("**/restconf/data/cryptomap-context:contexts?**", lambda route: route.fulfill(body=many(10_000)))
    page.route("**/restconf/data/cryptomap-context:contexts/**", lambda route: route.abort())
    page.evaluate("cryptomap.model.load()")
    expect(page.get_by_text("10000 tunnels")).to_be_visible()
    page.get_by_role("listbox").focus()
    page.keyboard.press("End")
    expect(page.get_by_role("option").filter(has_text="map-09999")).to_be_visible()
    assert page.evaluate("document.querySelectorAll('*').length") < 1000
    page.get_by_label("Filter tunnels").fill("map-00123")
    expect(page.get_by_text("bench 1 tunnel", exact=True)).to_be_visible()


def test_entries_are_read_while_they_arrive(page: Page, daemon: Daemon) -> None:
    """Cut anywhere, the pieces of a document give the same entries, each as soon as it is whole."""
    page.goto(f"{daemon.url}/console/")
    found = page.evaluate(READ, [many(3), [1, 7, 64]])
    names = [[["bench", f"if-{number}"], f"map-{number:05}", 'a "quoted" \\ {[ text'] for number in range(3)]
    assert found == [[names, True]] * 3


READ = """async ([text, sizes]) => {
  const { JsonStream } = await import("./stream.js");
  return sizes.map((size) => {
    const found = [], counts = [];
    const take = (entry, above) => found.push([above, entry.name, entry.state["last-error"]]);
    const stream = new JsonStream("crypto-map", take);
    for (let at = 0; at < text.length; at += size) {
      stream.feed(text.slice(at, at + size));
      counts.push(found.length);
    }
    return [found, counts.includes(1)];
  });
}"""


def many(count: int) -> str:
    """The answer of a server with so many tunnels."""
    state = {"status": "up", "remote-gateway": "192.0.2.1", "last-error": 'a "quoted" \\ {[ text', "applied": []}
    interfaces = [
        {"name": f"if-{number}", "cryptomap-ipsec:crypto-map": [{"name": f"map-{number:05}", "state": state}]}
        for number in range(count)
    ]
    return json.dumps({"cryptomap-context:contexts": {"context": [{"name": "bench", "interface": interfaces}]}})


def test_a_broken_tunnel_is_seen(page: Page, daemon: Daemon, world: WorldProcess) -> None:
    log_in(page, daemon)
    expect(page.get_by_role("option").filter(has_text="foo0").get_by_text("up", exact=True)).to_be_visible()
    shot(page, "tunnels")
    world.remote.set_peer(PEER, Peer(behaviour=Behaviour.DEAD))
    world.remote.advance(9000)  # its SAs are to be rekeyed, and nobody answers
    expect(page.get_by_role("option").filter(has_text="foo0").locator(".chip")).to_have_text(
        re.compile("down|negotiating")
    )
    expect(page.get_by_role("option").filter(has_text="foo1").get_by_text("up", exact=True)).to_be_visible()
    page.get_by_role("link", name="Alarms").click()
    expect(page.get_by_role("listitem").filter(has_text="ipsec-d / foo0 on").first).to_be_visible()
    expect(page.get_by_role("listitem").filter(has_text="tunnel-down").first).to_be_visible()
    shot(page, "alarms")

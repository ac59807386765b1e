"""Ansible as a client: a playbook whose tasks have the names of the steps."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from support.foreign.story import STEPS, Role, Steps
from support.server import PATIENCE, SAMPLES, Daemon, lacking, require

_INVENTORY = SAMPLES / "ansible" / "inventory.yml"
_STORY = Path(__file__).with_name("story.yml")


def play(
    playbook: Path, daemon: Daemon, directory: Path, user: str = "admin", **variables: object
) -> dict[str, dict[str, Any]]:
    """Run a playbook against a server; the result of each task that ran, by the task's name.

    ``directory`` keeps what Ansible leaves behind.
    """
    login = {
        "ansible_host": daemon.host,
        "ansible_port": daemon.port,
        "ansible_user": user,
        "ansible_ssh_private_key_file": str(daemon.key),
    }
    given = directory / "variables.json"
    given.write_text(json.dumps({**login, **variables}))
    command = [require("ansible-playbook"), "--inventory", str(_INVENTORY), "--extra-vars", f"@{given}", str(playbook)]
    environment = {
        **os.environ,
        "ANSIBLE_HOME": str(directory),
        "ANSIBLE_LOCAL_TEMP": str(directory / "tmp"),
        "ANSIBLE_PERSISTENT_CONTROL_PATH_DIR": str(directory / "pc"),
        "ANSIBLE_STDOUT_CALLBACK": "json",
        "ANSIBLE_HOST_KEY_CHECKING": "false",
    }
    done = subprocess.run(command, capture_output=True, text=True, timeout=2 * PATIENCE, env=environment)
    if "couldn't resolve module/action 'ansible.netcommon" in done.stderr:
        lacking("Ansible's collection ansible.netcommon is not installed")
    assert done.stdout.startswith("{"), done.stdout + done.stderr
    [played] = json.loads(done.stdout)["plays"]
    return {task["task"]["name"]: task["hosts"]["gateway"] for task in played["tasks"]}


@contextmanager
def ansible(role: Role) -> Iterator[Steps]:
    """All steps are one play, which keeps one session; it is over before anybody looks."""
    content = {f"config_{dscp}": role.config(dscp) for dscp in (10, 46, 64)}
    results = play(_STORY, role.daemon, role.directory, role.name, subtree=role.data(), xpath=role.xpath, **content)
    steps = {name: partial(_shown, result) for name, result in results.items() if name in STEPS}
    yield {"hello": lambda: " ".join(results["edit"]["server_capabilities"]), **steps}  # type: ignore[dict-item]


def _shown(result: dict[str, Any]) -> str:
    """What a task tells: the reply where it keeps it, else whether it failed and why."""
    return result.get("stdout") or str({key: result.get(key, False) for key in ("failed", "msg")})

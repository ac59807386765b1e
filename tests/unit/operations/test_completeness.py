"""Nothing is announced that is not there, and nothing is there that is not announced."""

from __future__ import annotations

import re

from cryptomap.netconf.capabilities import Capability
from cryptomap.netconf.messages import BASE, NOTIFICATION
from cryptomap.operations.actions import ACTION
from cryptomap.operations.capabilities import OPERATIONS_OF, announced
from cryptomap.operations.registry import OPERATIONS
from support.lab import Lab, door_schema


def protocol_capabilities() -> list[str]:
    everything = announced(door_schema(), startup=True, writable_running=True, url=True)
    return [Capability.parse(text).uri for text in everything if text.startswith("urn:ietf:params:netconf:")]


def test_it_is_known_what_each_announced_capability_brings() -> None:
    assert set(protocol_capabilities()) == set(OPERATIONS_OF)


def test_each_operation_of_each_announced_capability_is_registered() -> None:
    registered = {tag.rpartition("}")[2] for tag in OPERATIONS}
    wanted = {name for capability in protocol_capabilities() for name in OPERATIONS_OF[capability]}
    assert wanted - registered == set()


def test_each_registered_operation_belongs_to_a_capability() -> None:
    brought = {name for names in OPERATIONS_OF.values() for name in names}
    registered = {tag.rpartition("}")[2] for tag in OPERATIONS if tag != ACTION}
    assert registered - brought == set()


def test_each_operation_of_the_base_module_is_registered() -> None:
    defined = {tag for tag in door_schema().operations if tag.startswith(f"{{{BASE}}}")}
    assert defined - set(OPERATIONS) == set()
    assert f"{{{NOTIFICATION}}}create-subscription" in OPERATIONS


def test_functions_are_named_by_the_verb_of_the_rfc() -> None:
    names = {tag.rpartition("}")[2]: function.__name__ for tag, function in OPERATIONS.items()}
    assert names == {verb: verb.replace("-", "_") for verb in names}


async def test_each_rpc_of_a_standard_module_has_a_handler(lab: Lab) -> None:
    rpcs = {tag: operation for tag, operation in lab.server.schema.operations.items() if tag not in OPERATIONS}
    standard = [operation.path for operation in rpcs.values() if re.match("ietf-", operation.module)]
    assert [path for path in standard if path not in lab.server.handlers] == []

"""Runs inside the machine: sends packets with given ToS bytes and says what came of them.

One argument, JSON: ``{"from", "to"}`` name the namespaces, ``"source"`` and ``"destination"`` are inner addresses,
``"packets"`` is a list of [ToS byte, UDP port], ``"wire"`` the device of namespace "to" to capture on, ``"hear"`` is
false if nothing will be heard, ``"vrfs"`` the VRF devices of sender and receiver or "". Prints a list of
``{"heard": ToS byte or null, "frames": [hex]}``.
Standard library only.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import socket
import struct
import sys

CLONE_NEWNET = 0x40000000
SOL_PACKET, PACKET_AUXDATA = 263, 8
AUXDATA = struct.Struct("=IIIHHHH")
VLAN_VALID = 0x10
PATIENCE = 3.0
"""Seconds for one packet to arrive."""


def enter(name: str) -> None:
    descriptor = os.open(f"/run/netns/{name}", os.O_RDONLY)
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), f"cannot enter {name}")
    os.close(descriptor)


def capture(device: str) -> socket.socket:
    """All frames that arrive on a device, their VLAN tags told apart by the kernel."""
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
    wire.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    wire.bind((device, 0x0003))
    return wire


def frame(wire: socket.socket) -> bytes:
    """The next frame, its VLAN tag put back where it was."""
    data, control, _, _ = wire.recvmsg(1 << 16, socket.CMSG_SPACE(AUXDATA.size))
    for level, kind, value in control:
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
            status, _, _, _, _, tag, tpid = AUXDATA.unpack(value[: AUXDATA.size])
            if status & VLAN_VALID:
                return data[:12] + struct.pack("!HH", tpid or 0x8100, tag) + data[12:]
    return data


def ends(said: dict) -> tuple[dict[int, tuple[socket.socket, socket.socket]], socket.socket]:
    """Sender and receiver for each port, and the capture."""
    family = socket.AF_INET6 if ":" in said["source"] else socket.AF_INET
    ports = sorted({port for _, port in said["packets"]})
    enter(said["to"])
    wire = capture(said["wire"])
    receivers = [receiver(family, said["destination"] if said["hear"] else "", port, said["vrfs"][1]) for port in ports]
    enter(said["from"])
    senders = []
    for port in ports:
        sender = datagrams(family, said["vrfs"][0])
        sender.bind((said["source"], port))
        senders.append(sender)
    return dict(zip(ports, zip(senders, receivers, strict=True), strict=True)), wire


def datagrams(family: int, vrf: str) -> socket.socket:
    """A socket in that VRF."""
    made = socket.socket(family, socket.SOCK_DGRAM)
    if vrf:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, vrf.encode())
    return made


def receiver(family: int, address: str, port: int, vrf: str) -> socket.socket:
    """A socket that is told the ToS byte of what it receives."""
    made = datagrams(family, vrf)
    if family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
    else:
        made.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
    made.bind((address, port))
    return made


def send(sender: socket.socket, tos: int, port: int, said: dict, payload: bytes) -> None:
    if sender.family == socket.AF_INET6:
        sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, tos)
    else:
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)
    sender.sendto(payload, (said["destination"], port))


def heard(receiver: socket.socket, payload: bytes) -> int | None:
    """The ToS byte of the packet with that payload, as the application's socket sees it."""
    while select.select([receiver], [], [], PATIENCE)[0]:
        data, control, _, _ = receiver.recvmsg(1 << 16, 256)
        if data == payload:
            return control[0][2][0]
    return None


def frames(wire: socket.socket, wait: float) -> list[str]:
    """What was captured; waits for the first frame."""
    found = []
    while select.select([wire], [], [], 0 if found else wait)[0]:
        found.append(frame(wire).hex())
    return found


def main() -> None:
    said = json.loads(sys.argv[1])
    sockets, wire = ends(said)
    answers = []
    for number, (tos, port) in enumerate(said["packets"]):
        payload = b"packet %d of process %d" % (number, os.getpid())
        frames(wire, 0)
        sender, receiving = sockets[port]
        send(sender, tos, port, said, payload)
        tos_heard = heard(receiving, payload) if said["hear"] else None
        answers.append({"heard": tos_heard, "frames": frames(wire, PATIENCE)})
    print(json.dumps(answers))


if __name__ == "__main__":
    main()

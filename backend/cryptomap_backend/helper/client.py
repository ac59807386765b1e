"""The kernel's verbs through the helper: what an unprivileged server uses instead of a LocalKernel."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Mapping, Sequence
from io import BufferedReader
from typing import Any

from cryptomap_backend.contract import OutcomeUnknown, Unavailable
from cryptomap_backend.helper.codec import CodecFault, decode, encode
from cryptomap_backend.helper.verbs import CHANGING, ERRORS, LONGEST, VERBS
from cryptomap_backend.linux.egress import Egress, Marked, Priorities
from cryptomap_backend.linux.nft import Program
from cryptomap_backend.linux.objects import Algorithms, Operation, Policy, SaKey, SeenSa

__all__ = ["RemoteKernel"]


class RemoteKernel:
    """See :class:`~cryptomap_backend.linux.kernel.Kernel`. Connected when needed, and again after the helper was
    away."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection: tuple[socket.socket, BufferedReader] | None = None

    def versions(self) -> Mapping[str, str]:
        answer: Mapping[str, str] = self._ask("versions")
        return answer

    def algorithms(self) -> Algorithms:
        answer: Algorithms = self._ask("algorithms")
        return answer

    def transact(self, operations: Sequence[Operation]) -> int:
        answer: int = self._ask("transact", operations)
        return answer

    def sas(self, namespace: str) -> tuple[SeenSa, ...]:
        answer: tuple[SeenSa, ...] = self._ask("sas", namespace)
        return answer

    def find_sas(self, namespace: str, keys: Sequence[SaKey]) -> tuple[SeenSa, ...]:
        answer: tuple[SeenSa, ...] = self._ask("find_sas", namespace, keys)
        return answer

    def policies(self, namespace: str) -> tuple[Policy, ...]:
        answer: tuple[Policy, ...] = self._ask("policies", namespace)
        return answer

    def load_program(self, namespace: str, program: Program) -> None:
        self._ask("load_program", namespace, program)

    def program_digest(self, namespace: str, table: str) -> str | None:
        answer: str | None = self._ask("program_digest", namespace, table)
        return answer

    def remove_program(self, namespace: str, table: str) -> None:
        self._ask("remove_program", namespace, table)

    def set_egress(self, egress: Egress, priorities: Priorities, marked: Marked) -> None:
        self._ask("set_egress", egress, priorities, marked)

    def egress(self, egress: Egress, priorities: Priorities) -> Marked:
        answer: Marked = self._ask("egress", egress, priorities)
        return answer

    def interrupt(self) -> None:
        connection = self._connection
        if connection:
            _shut(connection[0])

    def close(self) -> None:
        self.interrupt()
        with self._lock:
            self._forget()

    def _ask(self, verb: str, *arguments: object) -> Any:
        request = json.dumps([verb, *map(encode, arguments)], separators=(",", ":")).encode() + b"\n"
        if len(request) > LONGEST:
            raise Unavailable(f"{verb} takes {len(request)} bytes, the helper takes {LONGEST} at most; do it in parts")
        with self._lock:
            stream, answers = self._connected()
            try:
                stream.sendall(request)
                line = answers.readline()
            except OSError as fault:
                raise self._lost(verb) from fault
            if not line.endswith(b"\n"):
                raise self._lost(verb)
        return self._read(verb, line)

    def _read(self, verb: str, line: bytes) -> Any:
        answer = json.loads(line)
        if "error" in answer:
            kind, text = answer["error"]
            raise ERRORS.get(kind, OutcomeUnknown if verb in CHANGING else Unavailable)(text)
        try:
            return decode(VERBS[verb].answer, answer["answer"])
        except CodecFault as fault:
            raise Unavailable(f"the helper answers {verb} in an unknown form: {fault}") from fault

    def _connected(self) -> tuple[socket.socket, BufferedReader]:
        if self._connection is None:
            stream = socket.socket(socket.AF_UNIX)
            try:
                stream.connect(self._path)
            except OSError as fault:
                stream.close()
                raise Unavailable(f"the helper at {self._path} cannot be reached: {fault}") from fault
            self._connection = stream, stream.makefile("rb")
        return self._connection

    def _lost(self, verb: str) -> Exception:
        self._forget()
        text = f"the connection to the helper was lost during {verb}"
        return OutcomeUnknown(text) if verb in CHANGING else Unavailable(text)

    def _forget(self) -> None:
        if self._connection:
            self._connection[1].close()
            self._connection[0].close()
            self._connection = None


def _shut(stream: socket.socket) -> None:
    try:
        stream.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # lost already

"""NETCONF as a protocol: no sockets, no threads, no tasks; RFC 6241, RFC 6242 and the message of RFC 5277.

From the wire inwards: ``framing`` (bytes to pieces), ``parser`` (pieces to XML), ``messages`` (XML read and written),
``states`` (who may say what), ``session`` (the :class:`Connection` that ties them), ``events`` (what it returns) and
``capabilities``.

A server's loop, with any object that reads and writes bytes as ``peer``::

    connection = Connection(Role.SERVER, capabilities, session_id=7)
    await peer.write(connection.send_hello())
    while True:
        event = connection.next_event()                     # RemoteProtocolError: log it and close the peer
        match event:
            case NeedData():
                connection.receive_data(await peer.read())  # b"" at the end of the stream
            case RpcReceived():
                for frame in connection.send_reply(event, answer(event.operation)):
                    await peer.write(frame)                 # or send_ok(event), send_errors(event, faults)
            case RpcRefused():
                await peer.write(connection.send_errors(event, [event.error]))
            case MalformedReceived():
                await peer.write(connection.send_errors(event.request, [event.error]))
            case TooBigReceived():
                await peer.write(connection.send_errors(event.request, [event.error]))
                break
            case ConnectionLost():
                break
            case HelloReceived():
                pass                                        # put a time-out around the loop until it has come

A client sends ``send_rpc`` and gets ``ReplyReceived`` and ``NotificationReceived``. Only one message can be on its way
out at a time: whoever sends notifications from another task must wait until a streamed reply has been written wholly.
"""

from cryptomap.netconf.events import (
    NEED_DATA,
    ConnectionLost,
    Event,
    HelloReceived,
    MalformedReceived,
    NeedData,
    NotificationReceived,
    ReplyReceived,
    Request,
    RpcReceived,
    RpcRefused,
    TooBigReceived,
)
from cryptomap.netconf.parser import ParserLimits
from cryptomap.netconf.session import Connection, Limits, LocalProtocolError, ProtocolError, RemoteProtocolError
from cryptomap.netconf.states import Role, State

__all__ = [
    "NEED_DATA",
    "Connection",
    "ConnectionLost",
    "Event",
    "HelloReceived",
    "Limits",
    "LocalProtocolError",
    "MalformedReceived",
    "NeedData",
    "NotificationReceived",
    "ParserLimits",
    "ProtocolError",
    "RemoteProtocolError",
    "ReplyReceived",
    "Request",
    "Role",
    "RpcReceived",
    "RpcRefused",
    "State",
    "TooBigReceived",
]

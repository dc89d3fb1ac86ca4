"""Messages between the launcher and its fork server: length-prefixed JSON, with descriptors, over a Unix socket."""

from __future__ import annotations

import json
import os
import socket
import struct
from dataclasses import dataclass
from typing import Any, Final, cast

_HEADER: Final = struct.Struct("!I")
_MAX_BYTES: Final = 64 * 1024
_MAX_DESCRIPTORS: Final = 8


@dataclass(frozen=True, slots=True)
class Received:
    """One message and the descriptors that came with it; they belong to the receiver."""

    body: dict[str, Any]
    descriptors: tuple[int, ...]


def encode(body: dict[str, Any]) -> bytes:
    """A message as bytes."""
    data = json.dumps(body).encode()
    return _HEADER.pack(len(data)) + data


def send(channel: socket.socket, body: dict[str, Any], descriptors: tuple[int, ...] = ()) -> None:
    """Sends one message on a blocking socket."""
    data = encode(body)
    sent = socket.send_fds(channel, [data], list(descriptors)) if descriptors else channel.send(data)
    while sent < len(data):
        sent += channel.send(data[sent:])


def receive(channel: socket.socket) -> Received | None:
    """The next message of a blocking socket, or None at its end."""
    header, descriptors, _, _ = socket.recv_fds(channel, _HEADER.size, _MAX_DESCRIPTORS)
    if not header:
        return None
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    header += _exactly(channel, _HEADER.size - len(header))
    size: int = _HEADER.unpack(header)[0]
    if size > _MAX_BYTES:
        raise ValueError(f"a message of {size} bytes")
    body = json.loads(_exactly(channel, size))
    return Received(cast("dict[str, Any]", body), tuple(descriptors))


def _exactly(channel: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = channel.recv(size - len(data))
        if not part:
            raise EOFError("the other side went away in the middle of a message")
        data += part
    return data


class Decoder:
    """Takes bytes as they come and gives whole messages (the side that doesn't receive descriptors)."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """All messages that are complete with `data`."""
        self._buffer += data
        messages: list[dict[str, Any]] = []
        while len(self._buffer) >= _HEADER.size:
            size: int = _HEADER.unpack_from(self._buffer)[0]
            end = _HEADER.size + size
            if len(self._buffer) < end:
                break
            messages.append(cast("dict[str, Any]", json.loads(self._buffer[_HEADER.size : end])))
            self._buffer = self._buffer[end:]
        return messages

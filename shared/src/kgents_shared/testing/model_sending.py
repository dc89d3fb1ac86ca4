"""How each answer goes over HTTP: whole, in chunks, slowly, cut, or in blocks."""

import asyncio
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from aiohttp import web

from kgents_shared.testing.dialects import Dialect
from kgents_shared.testing.model_answers import (
    CutStream,
    HugeAnswer,
    RawAnswer,
    Reply,
    SlowBytes,
    StatusFault,
)
from kgents_shared.testing.model_requests import ModelRequest

Sendable: TypeAlias = Reply | StatusFault | RawAnswer | CutStream | SlowBytes | HugeAnswer

_BLOCK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, the wire that it came on, and which one of the server's it is."""

    http: web.Request
    request: ModelRequest
    dialect: Dialect
    number: int

    def whole(self, reply: Reply) -> bytes:
        """Everything that a good answer's body holds."""
        if self.request.stream:
            return b"".join(self.chunks(reply))
        return json.dumps(self.dialect.whole(self.request, reply, self.number)).encode()

    def chunks(self, reply: Reply) -> Iterator[bytes]:
        """The pieces of a stream."""
        return self.dialect.chunks(self.request, reply, self.number)


async def send(asked: Asked, answer: Sendable) -> web.StreamResponse:
    """Answer with `answer`."""
    match answer:
        case StatusFault():
            response: web.StreamResponse = fault_response(asked.dialect, answer)
        case RawAnswer():
            headers = {"Content-Type": answer.content_type}
            response = web.Response(body=answer.body, status=answer.status, headers=headers)
        case CutStream():
            response = await _send_cut(asked, answer)
        case SlowBytes():
            response = await _send_slowly(asked, answer)
        case HugeAnswer():
            response = await _send_in_blocks(asked, Reply(text="x" * answer.size))
        case Reply():
            response = await _send_reply(asked, answer)
    return response


def fault_response(dialect: Dialect, fault: StatusFault) -> web.Response:
    """The fault in the provider's shape of errors."""
    return web.json_response(dialect.error(fault), status=fault.status, headers=fault.headers)


async def _open(asked: Asked, length: int | None = None) -> web.StreamResponse:
    content_type = asked.dialect.stream_type if asked.request.stream else "application/json"
    response = web.StreamResponse(headers={"Content-Type": content_type})
    if length is not None and not asked.request.stream:
        response.content_length = length
    await response.prepare(asked.http)
    return response


async def _send_reply(asked: Asked, reply: Reply) -> web.StreamResponse:
    if reply.before_s:
        await asyncio.sleep(reply.before_s)
    if not asked.request.stream:
        return web.Response(body=asked.whole(reply), content_type="application/json")
    response = await _open(asked)
    if not reply.between_s:
        await response.write(asked.whole(reply))
    else:
        for chunk in asked.chunks(reply):
            await response.write(chunk)
            await asyncio.sleep(reply.between_s)
    await response.write_eof()
    return response


async def _send_cut(asked: Asked, cut: CutStream) -> web.StreamResponse:
    whole = asked.whole(cut.reply)
    response = await _open(asked, len(whole))
    if asked.request.stream:
        await response.write(b"".join(itertools.islice(asked.chunks(cut.reply), cut.chunks)))
    else:
        await response.write(whole[: len(whole) // 2])
    if asked.http.transport is not None:
        asked.http.transport.close()
    return response


async def _send_slowly(asked: Asked, slow: SlowBytes) -> web.StreamResponse:
    whole = asked.whole(slow.reply)
    response = await _open(asked, len(whole))
    for start in range(0, len(whole), slow.step):
        await response.write(whole[start : start + slow.step])
        await asyncio.sleep(slow.pause_s)
    await response.write_eof()
    return response


async def _send_in_blocks(asked: Asked, reply: Reply) -> web.StreamResponse:
    response = await _open(asked)
    whole = asked.whole(reply)
    for start in range(0, len(whole), _BLOCK):
        await response.write(whole[start : start + _BLOCK])
    await response.write_eof()
    return response

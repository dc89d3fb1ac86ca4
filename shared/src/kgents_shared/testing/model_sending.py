"""How each answer goes over HTTP: whole, in chunks, slowly, cut, or in blocks."""

import asyncio
import itertools
import json
from typing import TypeAlias

from aiohttp import web

from kgents_shared.testing.model_answers import (
    CutStream,
    HugeAnswer,
    RawAnswer,
    Reply,
    SlowBytes,
    StatusFault,
)
from kgents_shared.testing.model_requests import ModelRequest
from kgents_shared.testing.model_wire import DONE, completion, error_object, sse_chunks

Sendable: TypeAlias = Reply | StatusFault | RawAnswer | CutStream | SlowBytes | HugeAnswer

_BLOCK = 64 * 1024


async def send(http: web.Request, request: ModelRequest, answer: Sendable, number: int) -> web.StreamResponse:
    """Answer `http` with `answer`, the server's `number`th."""
    match answer:
        case StatusFault():
            response: web.StreamResponse = fault_response(answer)
        case RawAnswer():
            headers = {"Content-Type": answer.content_type}
            response = web.Response(body=answer.body, status=answer.status, headers=headers)
        case CutStream():
            response = await _send_cut(http, request, answer, number)
        case SlowBytes():
            response = await _send_slowly(http, request, answer, number)
        case HugeAnswer():
            response = await _send_in_blocks(http, request, Reply(text="x" * answer.size), number)
        case Reply():
            response = await _send_reply(http, request, answer, number)
    return response


def fault_response(fault: StatusFault) -> web.Response:
    """The fault in OpenAI's error shape."""
    return web.json_response(error_object(fault), status=fault.status, headers=fault.headers)


async def _open(http: web.Request, request: ModelRequest, length: int | None = None) -> web.StreamResponse:
    content_type = "text/event-stream" if request.stream else "application/json"
    response = web.StreamResponse(headers={"Content-Type": content_type})
    if length is not None and not request.stream:
        response.content_length = length
    await response.prepare(http)
    return response


def _whole(request: ModelRequest, reply: Reply, number: int) -> bytes:
    """Everything that a good answer's body holds."""
    if request.stream:
        return b"".join(sse_chunks(request, reply, number)) + DONE
    return json.dumps(completion(request, reply, number)).encode()


async def _send_reply(http: web.Request, request: ModelRequest, reply: Reply, number: int) -> web.StreamResponse:
    if reply.before_s:
        await asyncio.sleep(reply.before_s)
    if not request.stream:
        return web.Response(body=_whole(request, reply, number), content_type="application/json")
    response = await _open(http, request)
    if not reply.between_s:
        await response.write(_whole(request, reply, number))
    else:
        for chunk in sse_chunks(request, reply, number):
            await response.write(chunk)
            await asyncio.sleep(reply.between_s)
        await response.write(DONE)
    await response.write_eof()
    return response


async def _send_cut(http: web.Request, request: ModelRequest, cut: CutStream, number: int) -> web.StreamResponse:
    whole = _whole(request, cut.reply, number)
    response = await _open(http, request, len(whole))
    if request.stream:
        chunks = itertools.islice(sse_chunks(request, cut.reply, number), cut.chunks)
        await response.write(b"".join(chunks))
    else:
        await response.write(whole[: len(whole) // 2])
    if http.transport is not None:
        http.transport.close()
    return response


async def _send_slowly(http: web.Request, request: ModelRequest, slow: SlowBytes, number: int) -> web.StreamResponse:
    whole = _whole(request, slow.reply, number)
    response = await _open(http, request, len(whole))
    for start in range(0, len(whole), slow.step):
        await response.write(whole[start : start + slow.step])
        await asyncio.sleep(slow.pause_s)
    await response.write_eof()
    return response


async def _send_in_blocks(http: web.Request, request: ModelRequest, reply: Reply, number: int) -> web.StreamResponse:
    response = await _open(http, request)
    whole = _whole(request, reply, number)
    for start in range(0, len(whole), _BLOCK):
        await response.write(whole[start : start + _BLOCK])
    await response.write_eof()
    return response

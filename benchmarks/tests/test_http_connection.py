import pytest

from benchmarks.load.http_connection import BrokenAnswer, HttpAnswer, parse_answer

PLAIN = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"


@pytest.mark.parametrize(("data", "answer"), [(PLAIN, HttpAnswer(200, b"hello")), (CHUNKED, HttpAnswer(503, b"abcde"))])
def test_an_answer_is_read_once_it_is_whole_and_not_before(data: bytes, answer: HttpAnswer):
    for size in range(len(data)):
        assert parse_answer(data[:size]) is None
    assert parse_answer(data + b"HTTP/1.1 2") == (answer, len(data))


def test_an_empty_answer_needs_no_length():
    data = b"HTTP/1.1 204 No Content\r\nserver: x\r\n\r\n"
    assert parse_answer(data) == (HttpAnswer(204, b""), len(data))


@pytest.mark.parametrize("data", [b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 200 OK\r\nserver: x\r\n\r\n"])
def test_what_is_no_http_answer_is_refused(data: bytes):
    with pytest.raises(BrokenAnswer):
        parse_answer(data)

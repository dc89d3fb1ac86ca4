"""Whose address counts: the connection's, and what a proxy of ours says of it."""

import pytest
from starlette.requests import Request

from kgents_shared.http.client_address import client_network

PROXIES = ("10.0.0.0/8", "2001:db8:ffff::/48")


def asked(client: str | None, *forwarded: str, **more: str) -> Request:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    headers += [(name.replace("_", "-").encode(), value.encode()) for name, value in more.items()]
    return Request({"type": "http", "client": None if client is None else (client, 1), "headers": headers})


@pytest.mark.parametrize(
    ("request_", "network"),
    [
        (asked("198.51.100.7"), "198.51.100.7"),
        (asked("198.51.100.7", "203.0.113.9"), "198.51.100.7"),
        (asked("10.0.0.1", "203.0.113.9"), "203.0.113.9"),
        (asked("10.0.0.1", "192.0.2.1, 203.0.113.9"), "203.0.113.9"),
        (asked("10.0.0.1", "203.0.113.9, 10.1.1.1"), "203.0.113.9"),
        (asked("10.0.0.1", "192.0.2.1", "203.0.113.9"), "203.0.113.9"),
        (asked("10.0.0.1", "203.0.113.9, nonsense"), "10.0.0.1"),
        (asked("10.0.0.1", ""), "10.0.0.1"),
        (asked("10.0.0.1", "10.2.2.2"), "10.2.2.2"),
        (asked("10.0.0.1", forwarded="for=203.0.113.9", x_real_ip="203.0.113.9"), "10.0.0.1"),
        (asked("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64"),
        (asked("2001:db8:ffff::1", "203.0.113.9"), "203.0.113.9"),
        (asked("::ffff:198.51.100.7"), "198.51.100.7"),
        (asked("::ffff:10.0.0.1", "203.0.113.9"), "203.0.113.9"),
        (asked(None), "unknown"),
        (asked("a unix socket"), "unknown"),
    ],
)
def test_whose_address_counts(request_: Request, network: str):
    assert client_network(request_, PROXIES) == network


def test_without_proxies_nobody_is_believed():
    assert client_network(asked("10.0.0.1", "203.0.113.9"), ()) == "10.0.0.1"

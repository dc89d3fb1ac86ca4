"""Whose address counts: the connection's, and what a proxy of ours says of it."""

from ipaddress import ip_network

import pytest
from fastapi import FastAPI
from pydantic import SecretStr, ValidationError
from starlette.requests import Request

from kgents_shared.http.client_address import client_address, client_network
from kgents_shared.http.settings import ServiceSettings

PROXIES = ["10.0.0.0/8", "2001:db8:ffff::/48", "192.0.2.77"]


def settings(**more: object) -> ServiceSettings:
    given = {"database_url": "postgresql://x", "nats_url": "nats://x", "client_secret": SecretStr("x")}
    return ServiceSettings.model_validate(given | more)


def asked(client: str | None, *forwarded: str, proxies: list[str] = PROXIES, **more: str) -> Request:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    headers += [(name.replace("_", "-").encode(), value.encode()) for name, value in more.items()]
    app = FastAPI()
    app.state.settings = settings(trusted_proxies=proxies)
    return Request({"type": "http", "app": app, "client": None if client is None else (client, 1), "headers": headers})


@pytest.mark.parametrize(
    ("request_", "network"),
    [
        (asked("198.51.100.7"), "198.51.100.7"),
        (asked("198.51.100.7", "203.0.113.9"), "198.51.100.7"),
        (asked("10.0.0.1", "203.0.113.9"), "203.0.113.9"),
        (asked("10.0.0.1", "192.0.2.1, 203.0.113.9"), "203.0.113.9"),
        (asked("10.0.0.1", "203.0.113.9, 10.1.1.1"), "203.0.113.9"),
        (asked("10.0.0.1", "192.0.2.1", "203.0.113.9"), "203.0.113.9"),
        (asked("192.0.2.77", "203.0.113.9"), "203.0.113.9"),
        (asked("192.0.2.78", "203.0.113.9"), "192.0.2.78"),
        (asked("10.0.0.1", "203.0.113.9, nonsense"), "10.0.0.1"),
        (asked("10.0.0.1", "203.0.113.9,"), "10.0.0.1"),
        (asked("10.0.0.1", ""), "10.0.0.1"),
        (asked("10.0.0.1", "10.2.2.2"), "10.2.2.2"),
        (asked("10.0.0.1", forwarded="for=203.0.113.9", x_real_ip="203.0.113.9"), "10.0.0.1"),
        (asked("198.51.100.7", forwarded="for=203.0.113.9", cf_connecting_ip="203.0.113.9"), "198.51.100.7"),
        (asked("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64"),
        (asked("2001:db8:ffff::1", "203.0.113.9"), "203.0.113.9"),
        (asked("10.0.0.1", "2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64"),
        (asked("::ffff:198.51.100.7"), "198.51.100.7"),
        (asked("::ffff:10.0.0.1", "203.0.113.9"), "203.0.113.9"),
        (asked("10.0.0.1", "203.0.113.9, ::ffff:10.0.0.2"), "203.0.113.9"),
        (asked(None, "203.0.113.9"), "unknown"),
        (asked("a unix socket", "203.0.113.9"), "unknown"),
    ],
)
def test_whose_address_counts(request_: Request, network: str):
    assert client_network(request_) == network


def test_without_proxies_nobody_is_believed():
    assert client_network(asked("10.0.0.1", "203.0.113.9", proxies=[])) == "10.0.0.1"
    assert settings().trusted_proxies == []


def test_the_address_itself_is_whole():
    assert str(client_address(asked("2001:db8:1:2:3:4:5:6"))) == "2001:db8:1:2:3:4:5:6"
    assert client_address(asked(None)) is None


def test_proxies_are_addresses_and_networks_never_everybody():
    assert settings(trusted_proxies=["192.0.2.1"]).trusted_proxies == [ip_network("192.0.2.1/32")]
    for everybody in ("0.0.0.0/0", "::/0"):
        with pytest.raises(ValidationError, match="anybody could write any address"):
            settings(trusted_proxies=[everybody])
    with pytest.raises(ValidationError):
        settings(trusted_proxies=["a.proxy"])


@pytest.mark.parametrize(
    "origin", ["*", "null", "https://*.example.org", "https://a.example/", "https://a.example/app", "a.example", ""]
)
def test_an_origin_that_is_not_one_sites_is_refused_at_the_start(origin: str):
    with pytest.raises(ValidationError, match=r"name each origin, such as https://app\.example\.com"):
        settings(cors_origins=["https://good.example", origin])


def test_origins_of_sites_are_taken():
    named = ["https://good.example", "http://localhost:5173", "http://[::1]:3000"]
    assert settings(cors_origins=named).cors_origins == named

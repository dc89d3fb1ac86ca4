"""Which addresses are public, however they are written."""

import ipaddress

import pytest

from kgents_shared.http.addresses import AddressNotPublic, AddressPolicy, is_public


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.9.10", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
        "0.0.0.0",  # noqa: S104 -- an address to refuse, not to bind
        "100.64.0.1", "192.0.0.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
        "::", "::1", "fe80::1", "fec0::1", "fc00::1", "fd12:3456::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
        "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a00:1::",
        "2001:0:4136:e378:8000:63bf:80ff:fffe", "2001:db8::1",
        "192.0.0.192", "168.63.129.16", "::ffff:168.63.129.16", "64:ff9b:1::a9fe:a9fe", "64:ff9b:1:7f00:0:100::",
        "::ffff:0:7f00:1", "::ffff:0:a9fe:a9fe",
    ],
)  # fmt: skip
def test_an_address_of_no_public_host_is_refused(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))
    with pytest.raises(AddressNotPublic):
        AddressPolicy().checked("a-name", 443, [address])


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
)
def test_an_address_of_the_public_internet_is_let_through(address: str) -> None:
    assert AddressPolicy().checked("a-name", 443, [address])


def test_one_private_address_among_public_ones_refuses_the_host() -> None:
    with pytest.raises(AddressNotPublic):
        AddressPolicy().checked("mixed", 443, ["1.1.1.1", "127.0.0.1"])


def test_a_listed_host_may_have_any_address() -> None:
    assert AddressPolicy(["Internal.Example."]).checked("internal.example", 80, ["10.0.0.7"]) == ["10.0.0.7"]


def test_a_host_listed_with_its_port_is_let_through_at_that_port_alone() -> None:
    policy = AddressPolicy(["127.0.0.1:9000"])
    assert policy.checked("127.0.0.1", 9000, ["127.0.0.1"])
    with pytest.raises(AddressNotPublic):
        policy.checked("127.0.0.1", 9001, ["127.0.0.1"])


def test_listing_an_address_does_not_list_the_names_that_lead_to_it() -> None:
    with pytest.raises(AddressNotPublic):
        AddressPolicy(["127.0.0.1"]).checked("attacker.example", 80, ["127.0.0.1"])

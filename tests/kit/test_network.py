"""What a connection to an address of a tenant's choice may reach."""

import ipaddress
import socket
from typing import Any

import pytest
from pydantic import ValidationError

from burnish.kit.network import Guard, Refused, Unresolved, networks
from burnish.kit.settings import Settings

PRIVATE = [
    "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "017700000001", "0.0.0.0", "10.0.0.1",
    "172.16.0.1", "192.168.1.1", "169.254.169.254", "2852039166", "100.64.0.1", "192.0.0.8", "198.18.0.1",
    "192.88.99.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "localhost", "::1", "::", "::127.0.0.1",
    "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "64:ff9b::7f00:1", "64:ff9b:1::1",
    "2002:7f00:1::", "2002:a9fe:a9fe::", "fe80::1", "fd00::1", "fec0::1", "ff02::1", "2001:db8::1",
    "2001:0:7f00:1::", "168.63.129.16", "::ffff:168.63.129.16",
]  # fmt: skip
PUBLIC = ["8.8.8.8", "134744072", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]


@pytest.mark.parametrize("host", PRIVATE)
def test_an_address_inside_is_refused_however_it_is_written(host: str) -> None:
    with pytest.raises(Refused):
        Guard().resolve(host, 80)


@pytest.mark.parametrize("host", PUBLIC)
def test_a_public_address_passes(host: str) -> None:
    assert ipaddress.ip_address(Guard().resolve(host, 443)).version in (4, 6)


def test_one_private_address_of_a_name_is_enough_to_refuse_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80)) for address in ("8.8.8.8", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(Refused, match=r"10\.0\.0\.1"):
        Guard().resolve("two.example", 80)


def test_the_connection_goes_to_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that answers otherwise when it is asked again is not asked again."""
    answers = iter(["8.8.8.8", "127.0.0.1"])

    def resolve(host: str, port: int, *_: Any, **__: Any) -> Any:
        address = host if host[0].isdigit() else next(answers)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    asked: list[Any] = []
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "create_connection", lambda address, timeout: asked.append(address))
    Guard().connect("rebinding.example", 80)
    assert asked == [("8.8.8.8", 80)]
    with pytest.raises(Refused):
        Guard().connect("rebinding.example", 80)
    assert len(asked) == 1


def test_an_operator_opens_chosen_networks_and_no_other() -> None:
    guard = Guard(networks("127.0.0.0/8, fd00::/8"))
    assert guard.resolve("127.0.0.1", 80) == "127.0.0.1"
    assert guard.resolve("fd00::1", 80) == "fd00::1"
    for host in ("10.0.0.1", "169.254.169.254", "::1"):
        with pytest.raises(Refused):
            guard.resolve(host, 80)


def test_a_name_that_is_none_is_said_to_be_unknown() -> None:
    with pytest.raises(Unresolved, match=r"the host nowhere\.invalid cannot be found"):
        Guard().resolve("nowhere.invalid", 80)
    with pytest.raises(Unresolved):
        Guard().resolve("a" * 300, 80)


def test_a_setting_that_is_no_network_is_refused_at_the_start() -> None:
    with pytest.raises(ValidationError, match="open_networks"):
        Settings(open_networks="10.0.0.0/8,here")

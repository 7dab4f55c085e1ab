"""Keeps a training process from reaching anything but the hosts that it has been told of.

What an environment answers may be a redirect, and a library may look for news of itself: neither gets anywhere. It holds for this
process's own Python, whatever library asks; it is no jail, and no code of a user runs here.
"""

import ipaddress
import os
import socket
import sys
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


def hosts_of(urls: Iterable[str], environment: Mapping[str, str] = os.environ) -> frozenset[str]:
    """Return the hosts of the URLs, and those of the proxies through which they are reached."""
    proxies = [value for key, value in environment.items() if key.upper() in PROXIES]
    names = (urlsplit(url if "://" in url else f"http://{url}").hostname for url in (*urls, *proxies))
    return frozenset(name for name in names if name)


class Fence:
    """Refuses, with OSError, to look up a host that is not one of `hosts`, and to connect to what no such look-up gave.

    It is built before anything is looked up: from then on it notes the addresses of the hosts, which a client may go on using
    without asking again. It refuses from `close` on.
    """

    def __init__(self, hosts: frozenset[str]) -> None:
        self._hosts = hosts
        self._addresses = {address for host in hosts if (address := _address(host))}
        self._closed = False
        self._look_up = socket.getaddrinfo
        socket.getaddrinfo = self.getaddrinfo

    def close(self) -> None:
        """Refuse from here on, for the rest of this process's life."""
        self._closed = True
        sys.addaudithook(self._audit)

    def getaddrinfo(self, host: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if self._closed and name not in self._hosts:
            raise PermissionError(f"this training may not look up {name}")
        found = self._look_up(host, *args, **kwargs)
        if name in self._hosts:
            self._addresses |= {str(entry[4][0]) for entry in found}
        return found

    def _audit(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "socket.connect" and isinstance(args[1], tuple) and str(args[1][0]) not in self._addresses | self._hosts:
            raise PermissionError(f"this training may not connect to {args[1][0]}")


def _address(host: str) -> str | None:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return None

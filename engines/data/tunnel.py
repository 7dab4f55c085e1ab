"""A proxy on loopback, inside the child that reads a source: whatever library opens a connection, the guard resolves, checks and
connects, each time anew: for the first request, for a redirect, for an endpoint of the caller's choice.

TLS goes through untouched, so certificates are checked against names as ever.
"""

import base64
import contextlib
import secrets
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from burnish.kit.network import Guard, Refused, Unresolved

MAX_HEAD = 2**16
IDLE_S = 120.0
PIECE = 2**16


class Tunnel:
    """`url` is the proxy to use. `trouble` is why a connection was last refused or failed; None while all went well."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._token = secrets.token_urlsafe(16)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.trouble: Exception | None = None
        self.url = f"http://tunnel:{self._token}@127.0.0.1:{self._listening.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, name="tunnel", daemon=True)
        self._thread.start()

    def close(self) -> None:
        # A socket that another thread accepts on is woken by its shutdown only.
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), name="tunnel-connection", daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            client.settimeout(IDLE_S)
            head, rest = _head(client)
            method, target, headers = _parsed(head)
            if not self._is_ours(headers):
                return client.sendall(b"HTTP/1.1 407 Not Yours\r\nConnection: close\r\n\r\n")
            try:
                server = self._guard.connect(*_address(method, target, headers))
            except (Refused, Unresolved, OSError, ValueError) as error:
                self.trouble = error
                status = b"403 Refused" if isinstance(error, Refused) else b"502 Unreachable"
                return client.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            with server:
                if method == "CONNECT":
                    client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
                    server.sendall(rest)
                else:
                    server.sendall(_rewritten(method, target, headers) + rest)
                _splice(client, server)

    def _is_ours(self, headers: list[str]) -> bool:
        proof = base64.b64encode(f"tunnel:{self._token}".encode()).decode()
        given = [value.strip() for name, _, value in (line.partition(":") for line in headers) if name.lower() == AUTHORIZATION]
        return len(given) == 1 and secrets.compare_digest(given[0], f"Basic {proof}")


AUTHORIZATION = "proxy-authorization"
HOP = (AUTHORIZATION, "proxy-connection", "connection")


@contextmanager
def opened(guard: Guard) -> Iterator[Tunnel]:
    made = Tunnel(guard)
    try:
        yield made
    finally:
        made.close()


def _head(client: socket.socket) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = client.recv(PIECE)
        if not piece or len(data) > MAX_HEAD:
            raise OSError("no request")
        data += piece
    head, _, rest = data.partition(b"\r\n\r\n")
    return head, rest


def _parsed(head: bytes) -> tuple[str, str, list[str]]:
    first, *headers = head.decode("latin-1").split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3:
        raise OSError("no request")
    return parts[0], parts[1], headers


def _address(method: str, target: str, headers: list[str]) -> tuple[str, int]:
    """Return where a request wants to go. Some clients write an IPv6 address without its brackets, except as the host."""
    if method == "CONNECT":
        host, _, port = target.rpartition(":")
        return host.strip("[]"), int(port)
    if urlsplit(target).scheme != "http":
        raise ValueError("only http is read without TLS")
    host = next((value.strip() for name, _, value in (line.partition(":") for line in headers) if name.lower() == "host"), "")
    parts = urlsplit(f"//{host}")
    return parts.hostname or "", parts.port or 80


def _rewritten(method: str, target: str, headers: list[str]) -> bytes:
    """Return the head of a proxied request as its server wants it, for a connection that carries no other."""
    parts = urlsplit(target)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    kept = [line for line in headers if line.partition(":")[0].lower() not in HOP]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *kept, "Connection: close", "", ""]).encode("latin-1")


def _splice(client: socket.socket, server: socket.socket) -> None:
    """Carry bytes both ways until both sides have said all."""
    ways = {client: server, server: client}
    while ways:
        ready, _, _ = select.select(list(ways), [], [], IDLE_S)
        if not ready:
            return
        for source in ready:
            data = source.recv(PIECE)
            if data:
                ways[source].sendall(data)
            else:
                target = ways.pop(source)
                with contextlib.suppress(OSError):
                    target.shutdown(socket.SHUT_WR)
                if source is server:
                    return

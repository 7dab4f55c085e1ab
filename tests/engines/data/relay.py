"""A loopback port in front of a unix socket: the Postgres of the tests listens on nothing else."""

import contextlib
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def relayed(path: str) -> Iterator[int]:
    """Yield the port that leads to the socket at `path` while the block runs."""
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=_accept, args=(listening, path))
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()
        listening.close()


def _accept(listening: socket.socket, path: str) -> None:
    while True:
        try:
            client, _ = listening.accept()
        except OSError:
            return
        threading.Thread(target=_carry, args=(client, path), daemon=True).start()


def _carry(client: socket.socket, path: str) -> None:
    with client, socket.socket(socket.AF_UNIX) as server, contextlib.suppress(OSError):
        server.connect(path)
        while True:
            for source in select.select([client, server], [], [])[0]:
                data = source.recv(2**16)
                if not data:
                    return
                (server if source is client else client).sendall(data)

"""How the parent's wish to stop reaches work that cannot look for it itself."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")

POLL_S = 0.2


class Stopped(Exception):
    """The parent asked to stop while work was in hand; what is unfinished is dropped."""


def call(work: Callable[[], T], stop: threading.Event) -> T:
    """Return `work()`, or raise `Stopped` within `POLL_S` of `stop` and leave `work` to end with the process.

    The work runs in a daemon thread; nothing may depend on its end.
    """
    future: Future[T] = Future()
    threading.Thread(target=_settle, args=(future, work), name="interruptible", daemon=True).start()
    while True:
        try:
            return future.result(timeout=POLL_S)
        except TimeoutError:
            if future.done():
                raise
            if stop.is_set():
                raise Stopped from None


def _settle(future: Future[T], work: Callable[[], T]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:
        future.set_exception(error)

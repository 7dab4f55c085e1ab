"""One more wall where the host allows it: the jail gets a network, an IPC and a host name of its own, with nothing in them.

What bubblewrap would add to this jail, without a second process between it and its parent. Never relied upon: the filter refuses
sockets with and without it.
"""

import ctypes
import os

_NEW_UTS, _NEW_IPC, _NEW_USER, _NEW_NET = 0x04000000, 0x08000000, 0x10000000, 0x40000000
_WANTED = _NEW_UTS | _NEW_IPC | _NEW_NET

_libc = ctypes.CDLL(None, use_errno=True)


def enter() -> None:
    """Leave the host's namespaces, as an ordinary user through a user namespace; OSError where the host allows neither."""
    for flags in (_WANTED, _WANTED | _NEW_USER):
        if _libc.unshare(ctypes.c_int(flags)) == 0:
            return
    code = ctypes.get_errno()
    raise OSError(code, f"unshare: {os.strerror(code)}")

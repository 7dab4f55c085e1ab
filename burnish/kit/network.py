"""The one guard of connections to addresses that a tenant chose: a name is resolved once, every address it has is checked, and
the connection goes to what was checked.

Only addresses of the public internet pass, in whatever way they are written: decimal, short and octal forms are read by the
system's resolver as a connection would read them, and an IPv4 address inside an IPv6 one is checked as itself.
`BURNISH_OPEN_NETWORKS` opens chosen ranges beside those.
"""

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
CONNECT_S = 10.0
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# Deprecated, and routed as IPv4 where a system still knows them.
V4_COMPATIBLE = ipaddress.IPv6Network("::/96")
# Special blocks that some versions of Python count among the global ones: protocol assignments, 6to4 relays, site-local. The last
# is public, and yet it is where a machine of Azure finds its own metadata.
BESIDES = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "192.88.99.0/24", "fec0::/10", "168.63.129.16/32")))


class Refused(Exception):
    """The address is one that a tenant must not reach from here."""


class Unresolved(Exception):
    """The name has no address."""


def networks(text: str) -> tuple[Network, ...]:
    """Parse the setting: networks with commas between them. ValueError names one that is none."""
    return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())


@dataclass(frozen=True)
class Guard:
    """What may be reached: the public internet, and `opened`."""

    opened: tuple[Network, ...] = ()

    def check(self, address: Address) -> None:
        """Refused where `address`, or an IPv4 address that it carries, is not to be reached."""
        for inner in (address, *_carried(address)):
            if not self._allows(inner):
                raise Refused(f"{address} is a private or reserved address; this installation connects to public ones only")

    def resolve(self, host: str, port: int) -> str:
        """Return the address to connect to, as text; every address that the name has must pass."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise Unresolved(f"the host {host} cannot be found") from None
        addresses = [ipaddress.ip_address(str(item[4][0]).partition("%")[0]) for item in found]
        for address in addresses:
            self.check(address)
        return str(addresses[0])

    def connect(self, host: str, port: int) -> socket.socket:
        """Open a connection to a host that passes, at the very address that was checked."""
        return socket.create_connection((self.resolve(host, port), port), timeout=CONNECT_S)

    def _allows(self, address: Address) -> bool:
        if any(address.version == network.version and address in network for network in self.opened):
            return True
        if _carried(address):
            return True  # Judged by what it carries.
        if address.is_multicast or address.is_unspecified or address.is_reserved or address.is_link_local:
            return False
        return address.is_global and not any(address.version == block.version and address in block for block in BESIDES)


def _carried(address: Address) -> Sequence[ipaddress.IPv4Address]:
    """Return the IPv4 addresses that an IPv6 address stands for."""
    if isinstance(address, ipaddress.IPv4Address):
        return ()
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in NAT64 or (address in V4_COMPATIBLE and int(address) > 0xFFFF):
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [item for item in found if item is not None]

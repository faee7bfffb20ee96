"""This host's addresses: which one a node is registered with, and its mask."""

import fnmatch
import ipaddress
import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from typing import Final

from bgpd.records import dataclass

AUTODETECT: Final = "autodetect"
# Interfaces of containers, bridges and tunnels: what Calico passes over as well.
_NOT_THE_HOSTS: Final = (
    "lo", "docker*", "cbr*", "dummy*", "virbr*", "lxcbr*", "veth*", "cali*", "tunl*", "flannel*", "kube-ipvs*", "cni*",
    "vxlan*", "wireguard*", "nodelocaldns*", "br-*",
)  # fmt: skip


class AddressError(Exception):
    """There is no such address."""


@dataclass(frozen=True, slots=True)
class LocalAddress:
    """An address of an interface with its mask."""

    device: str
    address: ipaddress.IPv4Interface | ipaddress.IPv6Interface


def chosen(wanted: str, version: int, registered: str) -> str:
    """Return the address with its mask that a node is registered with, empty = none in that family.

    wanted: an address with or without mask, ``autodetect``, or empty. registered: as it is now, which stays unless
    another one is wanted. Raises AddressError.
    """
    if wanted in ("", AUTODETECT):
        return registered or ("" if not wanted else _first(version))
    try:
        interface = ipaddress.ip_interface(wanted)
    except ValueError as error:
        raise AddressError(f"expected an IPv{version} address, found {wanted}") from error
    if interface.version != version or "%" in wanted:
        raise AddressError(f"expected an IPv{version} address, found {wanted}")
    found = next((one for one in _local(version) if one.address.ip == interface.ip), None)
    if found is None:
        mask = "its mask cannot be known, so each other node counts as one of another subnet"
        print(
            f"bgpctl: no interface of this host has {interface.ip}" + ("" if "/" in wanted else f": {mask}"),
            file=sys.stderr,
        )
    return str(interface if "/" in wanted or found is None else found.address)


def unique_local_prefix() -> str:
    """Return a prefix of 48 bits that nobody else is likely to have (RFC 4193 section 3.2)."""
    return str(ipaddress.ip_network((0xFD << 120 | secrets.randbits(40) << 80, 48)))


def _first(version: int) -> str:
    for one in _local(version):
        if not any(fnmatch.fnmatch(one.device, pattern) for pattern in _NOT_THE_HOSTS):
            return str(one.address)
    raise AddressError(f"no interface of this host has a global IPv{version} address; give one with --ip")


def _local(version: int) -> Iterator[LocalAddress]:
    """Yield the addresses of interfaces that are up, as the kernel lists them. Raises AddressError."""
    try:
        listed = subprocess.run(
            ["ip", "-json", f"-{version}", "address", "show", "up", "scope", "global"],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
    except (OSError, subprocess.CalledProcessError) as error:
        raise AddressError(f"this host's addresses cannot be listed: {error}") from error
    for link in json.loads(listed or "[]"):
        for one in link.get("addr_info", ()):
            yield LocalAddress(link["ifname"], ipaddress.ip_interface(f"{one['local']}/{one['prefixlen']}"))

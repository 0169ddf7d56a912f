"""Client addresses behind proxies. Anyone can send forwarding headers, so only those of trusted proxies count."""

import ipaddress
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from starlette.datastructures import Headers
from starlette.types import Scope

Network = IPv4Network | IPv6Network

PREFIX = "x-forwarded"
NAMES = frozenset(
    {
        "forwarded",
        "via",
        "x-real-ip",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-original-forwarded-for",
        "client-ip",
        "cf-connecting-ip",
        "cf-connecting-ipv6",
        "true-client-ip",
        "fastly-client-ip",
        "x-envoy-external-address",
        "x-azure-clientip",
    }
)
SCHEMES = frozenset({"http", "https"})


def is_forwarded(headers: Headers) -> bool:
    """Whether the request came through a proxy, or claims to."""
    return any(name in NAMES or name.startswith(PREFIX) for name in headers)


def address_of(text: str) -> IPv4Address | IPv6Address | None:
    """An address without the port and brackets that some proxies add; None if it is not valid."""
    bare = text.strip().strip('"')
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        found = ipaddress.ip_address(bare)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


def is_trusted(address: str, proxies: Sequence[Network]) -> bool:
    """Whether an address belongs to a trusted proxy."""
    found = address_of(address) if proxies else None
    return found is not None and any(found in network for network in proxies)


def resolve(scope: Scope, headers: Headers, proxies: Sequence[Network]) -> None:
    """Replace the scope's client address and scheme by those that a trusted proxy reports.

    The last address in ``X-Forwarded-For`` that is not a trusted proxy counts; anything before it was sent by that
    client.
    """
    client = scope.get("client")
    if client is None or not is_trusted(client[0], proxies):
        return
    for text in reversed(",".join(headers.getlist("x-forwarded-for")).split(",")):
        found = address_of(text)
        if found is None:
            break
        scope["client"] = (str(found), 0)
        if not is_trusted(str(found), proxies):
            break
    scheme = headers.get("x-forwarded-proto", "").rpartition(",")[2].strip().lower()
    if scheme in SCHEMES:
        web = scope["type"] == "websocket"
        scope["scheme"] = {"http": "ws", "https": "wss"}[scheme] if web else scheme


def group_of(address: str | None) -> str:
    """The address by which attempts are counted: for IPv6 the 64-bit network that one customer gets."""
    found = None if address is None else address_of(address)
    if found is None:
        return "unknown"
    return str(ipaddress.ip_network((found, 64), strict=False)) if isinstance(found, IPv6Address) else str(found)

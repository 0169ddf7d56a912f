"""Posts to the webhook: one address, one deadline for the whole exchange, no redirects, a signature."""

import asyncio
import hashlib
import hmac
import os
import queue
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from threading import Event, Thread

import httpx

TIMEOUT_S = 5.0
"""Seconds for lookup, connection, request and response head together."""
STEP_S = 0.05
"""Seconds between checks whether Marquee is stopping."""
TRANSLATED = ip_network("64:ff9b::/96")
"""IPv6 addresses that embed IPv4 ones (RFC 6052)."""

Address = IPv4Address | IPv6Address


class Undelivered(OSError):
    """A post was not accepted; the message gives the reason, such as ``Connection refused``."""


class Refused(Undelivered):
    """The receiver answered with a status other than 2xx.

    Attributes:
        status: of HTTP.
    """

    def __init__(self, status: int, reason: str) -> None:
        told = f"{status} {reason}".strip()
        super().__init__(f"{told}, and redirects are not followed" if 300 <= status < 400 else told)
        self.status = status


@dataclass(frozen=True)
class Webhook:
    """Posts JSON to a receiver.

    The name is resolved once for each post, and the connection goes to the address that was checked. Proxies of the
    environment are not used, and nothing of the answer but its head is read.

    Args:
        secret: signs each post; None signs none.
        private: whether a name may lead to an address that is not public. One that is written as an address may.
        clock: Unix seconds, for the signature.
        timeout_s: seconds for the whole exchange.
    """

    secret: str | None = field(default=None, repr=False)
    private: bool = field(default=False, kw_only=True)
    clock: Callable[[], float] = field(default=time.time, kw_only=True)
    timeout_s: float = field(default=TIMEOUT_S, kw_only=True)

    def __call__(self, url: str, body: bytes, stop: Event) -> None:
        """Post JSON.

        Args:
            url: http or https.
            body: JSON.
            stop: ends the exchange at once.

        Raises:
            Undelivered: nobody takes it in time, the address is not allowed, or Marquee is stopping.
        """
        target = httpx.URL(url)
        if target.scheme not in ("http", "https") or not target.host:
            raise Undelivered("The address of the webhook must begin with http:// or https://")
        end = time.monotonic() + self.timeout_s
        addresses = self._allowed(target.host, _resolve(target.host, end, stop))
        try:
            asyncio.run(self._exchange(target, addresses, body, end, stop))
        except TimeoutError as error:
            raise Undelivered(f"No answer within {self.timeout_s:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise Undelivered(_why(error)) from error

    def headers(self, body: bytes) -> dict[str, str]:
        """Headers of a post; the signature covers time and body, so that neither can be replaced."""
        found = {"Content-Type": "application/json", "User-Agent": "Marquee", "Connection": "close"}
        if self.secret is None:
            return found
        timestamp = str(int(self.clock()))
        return found | {
            "X-Marquee-Timestamp": timestamp,
            "X-Marquee-Signature": f"sha256={sign(self.secret, timestamp, body)}",
        }

    def _allowed(self, host: str, addresses: Sequence[Address]) -> list[Address]:
        """The allowed addresses of a host."""
        literal = _literal(host) is not None
        fitting = [one for one in addresses if _is_a_host(one) and (self.private or literal or _is_public(one))]
        if not fitting:
            found = ", ".join(map(str, addresses))
            raise Undelivered(
                f"{host} is at {found}, which is not public; MARQUEE_WEBHOOK_PRIVATE=true allows such addresses"
            )
        return fitting

    async def _exchange(
        self, target: httpx.URL, addresses: Sequence[Address], body: bytes, end: float, stop: Event
    ) -> None:
        posting = asyncio.create_task(self._post(target, addresses, body))
        while not posting.done():
            left = end - time.monotonic()
            if left <= 0 or stop.is_set():
                posting.cancel()
                await asyncio.wait([posting], timeout=STEP_S)
                raise Undelivered("Marquee is stopping") if stop.is_set() else TimeoutError
            await asyncio.wait([posting], timeout=min(STEP_S, left))
        posting.result()

    async def _post(self, target: httpx.URL, addresses: Sequence[Address], body: bytes) -> None:
        """Post to the first address that accepts a connection."""
        headers = self.headers(body) | {"Host": target.netloc.decode("ascii").rpartition("@")[2]}
        async with httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=self.timeout_s) as client:
            for place, address in enumerate(addresses):
                pinned = target.copy_with(host=str(address))
                extensions = {"sni_hostname": target.raw_host.decode("ascii")}
                request = client.build_request("POST", pinned, content=body, headers=headers, extensions=extensions)
                try:
                    answer = await client.send(request, stream=True)
                except httpx.ConnectError:
                    if place == len(addresses) - 1:
                        raise
                    continue
                await answer.aclose()
                if not answer.is_success:
                    raise Refused(answer.status_code, _phrase(answer))
                return


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """HMAC with SHA-256 (RFC 2104) over ``timestamp.body``, as hexadecimal digits."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def _phrase(answer: httpx.Response) -> str:
    try:
        return HTTPStatus(answer.status_code).phrase
    except ValueError:
        return ""


def _why(error: Exception) -> str:
    """Reason of a failed exchange, from its deepest cause with a message: ``Connection refused``."""
    found, cause = str(error) or type(error).__name__, error.__cause__ or error.__context__
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno is not None and cause.errno > 0:
            found = os.strerror(cause.errno)  # asyncio words it differently
        cause = cause.__cause__ or cause.__context__
    return found


def _resolve(host: str, end: float, stop: Event) -> list[Address]:
    """The addresses of a host, looked up in a thread within the same deadline."""
    literal = _literal(host)
    if literal is not None:
        return [literal]
    answers: queue.SimpleQueue[list[Address] | OSError] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            answers.put(list(dict.fromkeys(ip_address(str(row[4][0]).partition("%")[0]) for row in found)))
        except (OSError, UnicodeError) as error:
            answers.put(error if isinstance(error, OSError) else OSError(str(error)))

    Thread(target=look_up, name="webhook-name", daemon=True).start()
    while not stop.is_set() and time.monotonic() < end:
        try:
            answer = answers.get(timeout=STEP_S)
        except queue.Empty:
            continue
        if isinstance(answer, OSError):
            raise Undelivered(f"{host} can't be found: {answer.strerror or answer}") from answer
        return answer
    raise Undelivered("Marquee is stopping" if stop.is_set() else f"{host} was not found in time")


def _literal(host: str) -> Address | None:
    """The address in a URL; None for a name."""
    try:
        return ip_address(host.strip("[]"))
    except ValueError:
        return None


def _inner(address: Address) -> Address:
    """The IPv4 address embedded in an IPv6 one, or the address itself."""
    if isinstance(address, IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour
    return inner or (IPv4Address(int(address) & 0xFFFFFFFF) if address in TRANSLATED else address)


def _is_public(address: Address) -> bool:
    return address.is_global and _inner(address).is_global


def _is_a_host(address: Address) -> bool:
    inner = _inner(address)
    return not (inner.is_multicast or inner.is_unspecified)

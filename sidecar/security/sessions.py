"""Browsers that have shown a key once, on the sign-in page: a cookie stands for it from then on."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass

from itsdangerous import BadSignature, TimestampSigner
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import Response

from engine.services import running
from engine.services.access import Holder

COOKIE = "marquee_session"
SIGNED_IN_FOR_S = 30 * 86_400


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that has signed in and not out again.

    Attributes:
        session_id: random, and known to its browser alone.
        holder: of the key that it has shown.
        until: when the cookie is void by itself, in Unix seconds.
    """

    session_id: str
    holder: Holder
    until: float


class Sessions:
    """Reads and writes cookies, which name a session and the key that began it.

    They are signed with the first key and the store's secret: another first key ends every session, and no cookie lets
    anybody guess at the key offline. Sessions that were ended are kept in mind by ``AccessService``.

    Args:
        first_key: what ``MARQUEE_API_KEY`` is set to.
    """

    def __init__(self, first_key: str) -> None:
        self._first_key = first_key.encode()
        self._signers: dict[bytes, TimestampSigner] = {}

    def _signer(self, secret: bytes) -> TimestampSigner:
        found = self._signers.get(secret)
        if found is None:
            key = hmac.digest(secret, self._first_key, "sha256")
            found = self._signers[secret] = TimestampSigner(key, salt="marquee.session")
        return found

    def find(self, headers: Headers) -> Session | None:
        """The session whose cookie came with a request; None without one, or where it has ended."""
        for sent in headers.getlist("cookie"):
            found = self.read(cookie_parser(sent).get(COOKIE, ""))
            if found is not None:
                return found
        return None

    def read(self, value: str) -> Session | None:
        """The session that a cookie names; None where it is forged, too old or has ended."""
        services = running()
        if services is None:
            return None
        try:
            said, begun = self._signer(services.access.secret).unsign(value, SIGNED_IN_FOR_S, return_timestamp=True)
        except BadSignature:
            return None
        session_id, _, number = said.decode().partition(":")
        if not number.isdecimal() or services.access.is_ended(session_id):
            return None
        holder = services.access.holder_of(int(number))
        return None if holder is None else Session(session_id, holder, begun.timestamp() + SIGNED_IN_FOR_S)

    def begin(self, answer: Response, holder: Holder, *, secret: bytes, secure: bool) -> None:
        """Give a cookie with an answer; ``secure``: the browser is to send it by TLS only."""
        said = f"{secrets.token_urlsafe(16)}:{holder.key_id}"
        value = self._signer(secret).sign(said).decode()
        answer.set_cookie(COOKIE, value, SIGNED_IN_FOR_S, httponly=True, samesite="lax", secure=secure)


def end(answer: Response) -> None:
    """Take the cookie away with an answer."""
    answer.delete_cookie(COOKIE, httponly=True, samesite="lax")

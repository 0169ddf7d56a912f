"""Browser sessions: a cookie that stands for the key entered on the sign-in page."""

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
    """A browser that is signed in.

    Attributes:
        session_id: random, known only to the browser.
        holder: of the key that was entered.
        until: when the cookie expires, in Unix seconds.
    """

    session_id: str
    holder: Holder
    until: float


class Sessions:
    """Reads and writes cookies with the ID of a session and the number of its key.

    They are signed with the first key and the store's secret: changing the first key ends every session, and a cookie
    doesn't allow guessing the key offline. ``AccessService`` remembers which sessions have ended.

    Args:
        first_key: the value of ``MARQUEE_API_KEY``.
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
        """The session of a request's cookie; None if there is none or it has ended."""
        for sent in headers.getlist("cookie"):
            found = self.read(cookie_parser(sent).get(COOKIE, ""))
            if found is not None:
                return found
        return None

    def read(self, value: str) -> Session | None:
        """The session of a cookie; None if it is forged, expired or ended."""
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
        """Set the cookie on a response; ``secure`` restricts it to TLS."""
        said = f"{secrets.token_urlsafe(16)}:{holder.key_id}"
        value = self._signer(secret).sign(said).decode()
        answer.set_cookie(COOKIE, value, SIGNED_IN_FOR_S, httponly=True, samesite="lax", secure=secure)


def end(answer: Response) -> None:
    """Delete the cookie with a response."""
    answer.delete_cookie(COOKIE, httponly=True, samesite="lax")

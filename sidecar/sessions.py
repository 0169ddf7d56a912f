"""Who has shown the key: by a header with each request, or once on the sign-in page, which a cookie then stands for."""

from __future__ import annotations

from hmac import compare_digest

from itsdangerous import BadSignature, TimestampSigner
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import Response

COOKIE = "marquee_session"
SIGNED_IN_FOR_S = 30 * 86_400
_SAYS = "signed-in"


class Sessions:
    """Knows the key. A cookie is signed with it, so nothing is stored, and another key ends every session.

    Args:
        key: what has to be shown.
    """

    def __init__(self, key: str) -> None:
        self._key = key.encode()
        self._signer = TimestampSigner(key, salt="marquee.session")

    def is_key(self, given: bytes) -> bool:
        """Whether this is the key; compared in constant time, so how long it takes says nothing of the right one."""
        return compare_digest(given, self._key)

    def hold(self, headers: Headers) -> bool:
        """Whether a request carries the cookie of somebody who signed in and has not signed out."""
        for sent in headers.getlist("cookie"):
            try:
                value = self._signer.unsign(cookie_parser(sent).get(COOKIE, ""), max_age=SIGNED_IN_FOR_S)
            except BadSignature:
                continue
            return value == _SAYS.encode()
        return False

    def begin(self, answer: Response, *, secure: bool) -> None:
        """Give the cookie with an answer; ``secure``: the browser is to send it by TLS only."""
        value = self._signer.sign(_SAYS).decode()
        answer.set_cookie(COOKIE, value, SIGNED_IN_FOR_S, httponly=True, samesite="lax", secure=secure)


def end(answer: Response) -> None:
    """Take the cookie away with an answer."""
    answer.delete_cookie(COOKIE, httponly=True, samesite="lax")

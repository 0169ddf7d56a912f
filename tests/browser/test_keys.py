"""Keys: sign in with the first key; create another, sign in with it, and revoke it."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.console import server

pytestmark = pytest.mark.browser

FIRST = "the first key of these tests"


@pytest.fixture
def keyed(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with server(tmp_path_factory.mktemp("keyed"), MARQUEE_DEMO="0", MARQUEE_API_KEY=FIRST) as url:
        yield url


def ask(url: str, path: str, key: str) -> Any:
    """The status, and the JSON of a success."""
    request = urllib.request.Request(f"{url}/api{path}", headers={"X-API-Key": key})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, None


def sign_in(page: Page, url: str, key: str) -> None:
    page.goto(f"{url}/keys")
    page.get_by_label("Key", exact=True).fill(key)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Keys")


def test_a_key_is_created_used_and_revoked(chromium: Browser, keyed: str) -> None:
    page = chromium.new_context().new_page()
    sign_in(page, keyed, FIRST)
    page.get_by_label("Name").fill("shop")
    page.get_by_role("button", name="Admin").click()
    page.get_by_role("button", name="Create key").click()
    key = page.get_by_text(re.compile(r"^mq_[\w-]{43}$")).inner_text()
    assert ask(keyed, "/ml/models", key)[0] == 200

    other = chromium.new_context().new_page()
    sign_in(other, keyed, key)
    page.reload()
    page.get_by_label("Key to revoke").click()
    page.get_by_role("option", name="1: shop").click()
    page.get_by_role("button", name="Revoke", exact=True).click()
    page.get_by_role("button", name="Revoke key").click()
    expect(page.get_by_test_id("stToast").first).to_contain_text("revoked")
    assert ask(keyed, "/ml/models", key)[0] == 401
    other.reload()
    expect(other.get_by_role("heading", level=1)).to_have_text("Sign in to Marquee")

    entries = ask(keyed, "/audit", FIRST)[1]["entries"]
    told = [(one["actor"], one["action"], one["result"]) for one in entries]
    assert ("console, first key", "key created", "done") in told
    assert ("console, first key", "key revoked", "done") in told
    assert ("shop", "sign-in", "done") in told

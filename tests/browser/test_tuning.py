"""A study on the demo ratings: started, stopped, resumed, evaluated and used for a training."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.console import get, until

pytestmark = pytest.mark.browser


def test_a_study_is_stopped_and_resumed_from_the_page(page: Page, marquee: str) -> None:
    def study() -> dict[str, object]:
        found = get(marquee, "/api/ml/tuning/1")
        assert found is not None
        return found

    page.goto(f"{marquee}/tuning")
    page.get_by_role("spinbutton", name="Trials").fill("8")
    page.get_by_role("spinbutton", name="Folds").fill("2")
    page.get_by_role("button", name="Start study").click()
    expect(page.get_by_role("heading", name="Study 1")).to_be_visible()
    until(lambda: int(str(study()["trials_done"])) >= 2, 60, "two trials")
    page.get_by_role("button", name="Stop study").click()
    until(lambda: study()["state"] == "stopped", 60, "the stop")
    stopped = int(str(study()["trials_done"]))
    assert stopped < 8
    page.get_by_role("button", name="Resume", exact=True).click()
    expect(page.get_by_test_id("stToast").first).to_contain_text("Study 1 resumed.")
    until(lambda: study()["state"] == "succeeded", 240, "the end of the study")

    done = study()
    assert done["trials_done"] == 8
    assert float(str(done["used_s"])) <= float(str(done["budget_s"]))
    best, evidence = done["best"], done["evidence"]
    train = page.get_by_role("button", name=re.compile("^Train with trial"))
    assert isinstance(best, dict)
    if best["defaults"]:  # eight trials need not find anything better, and where they do not, nothing is to be judged
        assert evidence is None
        expect(page.get_by_text("No trial beat them.")).to_be_visible()
        expect(train).to_have_count(0)
        return
    assert isinstance(evidence, dict)
    verdict = evidence["held_out"]["verdict"]  # on ratings that no trial saw; the best of eight may well be worse there
    assert evidence["text"].endswith(f": {verdict}.")
    assert verdict == "better" or not evidence["better"]
    expect(page.get_by_text(re.compile(r"On the ratings that no trial saw"))).to_be_visible()
    train.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Training")
    until(lambda: (get(marquee, "/api/ml/training-status") or {}).get("state") == "succeeded", 120, "the training")

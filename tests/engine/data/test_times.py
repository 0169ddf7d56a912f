"""Times in all forms become Unix seconds; what cannot be read is unknown."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.times import MISSING, Form, form_of, read_times

LATEST = 2**32
MOMENT = 1_600_000_000  # 2020-09-13 12:26:40 UTC
MINUTE, DAY = MOMENT - 40, MOMENT - 44_800


def read(text: str, form: Form | None = None) -> tuple[int, bool]:
    """The seconds of a text, and whether it could not be read."""
    seconds, unreadable = read_times(pa.chunked_array([[text]], pa.string()), form, LATEST)
    return int(seconds[0]), bool(unreadable[0])


@pytest.mark.parametrize(
    ("text", "form", "seconds"),
    [
        ("1600000000", "seconds", MOMENT),
        ("1600000000.7", "seconds", MOMENT),
        ("1.6e9", "seconds", MOMENT),
        ("1600000000000", "milliseconds", MOMENT),
        ("1600000000000000", "milliseconds", MOMENT),
        ("1600000000000000000", "milliseconds", MOMENT),
        ("44087", "excel", DAY),
        ("44087.5185185", "excel", MOMENT),
        ("20200913", "ymd", DAY),
        ("2020/09/13", "ymd", DAY),
        ("2020-09-13T12:26:40Z", "iso", MOMENT),
        ("2020-09-13 12:26:40", "iso", MOMENT),
        ("2020-09-13T14:26:40+02:00", "iso", MOMENT),
        ("2020-09-13 12:26:40.123 UTC", "iso", MOMENT),
        ("2020-09-13", "iso", DAY),
        ("13.09.2020", "dmy", DAY),
        ("13.9.20 12:26", "dmy", MINUTE),
        ("09/13/2020", "mdy", DAY),
        ("9/13/2020 12:26 PM", "mdy", MINUTE),
        ("Sun, 13 Sep 2020 12:26:40 +0000", None, MOMENT),
        ("Sun Sep 13 12:26:40 2020", None, MOMENT),
        ("Sep 13, 2020", None, DAY),
        ("September 13th, 2020", None, DAY),
        ("13. September 2020", None, DAY),
        ("13 septembre 2020", None, DAY),
        ("13 de septiembre de 2020", None, DAY),
        ("Sunday, September 13, 2020", None, DAY),
    ],
)
def test_a_time_is_read(text: str, form: Form | None, seconds: int) -> None:
    assert read(text, form) == (seconds, False)


@pytest.mark.parametrize("text", ["soon", "31.02.2020", "2020-13-01", "9999-12-31", "-5", "1e999", "99999999999"])
def test_what_is_no_time_is_unreadable(text: str) -> None:
    for form in ("seconds", "iso", "dmy", "ymd", "excel"):
        assert read(text, form) == (-1, True)


@pytest.mark.parametrize("text", sorted(MISSING))
def test_a_missing_time_is_not_unreadable(text: str) -> None:
    assert read(text, "iso") == (-1, False)


def test_a_time_after_the_latest_is_unknown() -> None:
    column = pa.chunked_array([["1600000000", "1600000001"]])
    assert read_times(column, "seconds", MOMENT)[0].tolist() == [MOMENT, -1]


@pytest.mark.parametrize(
    ("texts", "forms"),
    [
        (["1600000000", "1500000000"], ("seconds",)),
        (["1600000000000"], ("milliseconds",)),
        (["44087", "44087.5"], ("excel",)),
        (["20200913", "20200914"], ("ymd",)),
        (["2020/09/13"], ("ymd",)),
        (["2020-09-13", ""], ("iso",)),
        (["13.09.2020", "01.02.2020"], ("dmy",)),
        (["01/02/2020", "09/13/2020"], ("mdy",)),
        (["01/02/2020", "03/04/2020"], ("dmy", "mdy")),
        (["13/02/2020", "03/14/2020"], ("dmy", "mdy")),
        (["1995", "2001"], ()),
        (["1", "2"], ()),
        ([], ()),
        (["", "n/a"], ()),
    ],
)
def test_the_form_is_told_by_all_texts(texts: list[str], forms: tuple[Form, ...]) -> None:
    assert form_of(texts) == forms


@given(st.integers(10**8, LATEST))
def test_every_moment_is_read_as_it_was_written(seconds: int) -> None:
    moment = datetime.fromtimestamp(seconds, UTC)
    day = seconds - seconds % 86_400
    assert read(moment.isoformat(), "iso")[0] == seconds
    assert read(moment.strftime("%d.%m.%Y %H:%M:%S"), "dmy")[0] == seconds
    assert read(moment.strftime("%m/%d/%Y %I:%M:%S %p"), "mdy")[0] == seconds
    assert read(moment.strftime("%a, %d %b %Y %H:%M:%S +0000"), None)[0] == seconds
    assert read(moment.strftime("%B %d, %Y"), None)[0] == day
    assert read(moment.strftime("%Y%m%d"), "ymd")[0] == day
    assert read(str(day // 86_400 + 25_569), "excel")[0] == day


@given(
    st.lists(st.text(max_size=12), max_size=6), st.sampled_from(["iso", "dmy", "mdy", "ymd", "seconds", "excel", None])
)
def test_any_text_is_a_time_or_unknown(texts: list[str], form: Form | None) -> None:
    form_of(texts)
    seconds, unreadable = read_times(pa.chunked_array([texts], pa.string()), form, LATEST)
    assert len(seconds) == len(unreadable) == len(texts)
    assert np.all((seconds >= -1) & (seconds <= LATEST))
    assert not np.any(unreadable & (seconds >= 0))

"""Times of ratings: how the times of a file are written, and Unix seconds from them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Form = Literal["iso", "dmy", "mdy", "ymd", "seconds", "milliseconds", "excel"]
"""How times are written; ``ymd``: the year first, also without signs between (20200913)."""
NUMERIC = ("seconds", "milliseconds", "excel")
FORMS: tuple[Form, ...] = ("iso", "dmy", "mdy", "ymd", "seconds", "milliseconds", "excel")

UNKNOWN_TIME = -1
EXCEL_EPOCH_DAYS = 25_569
"""Days from Excel's day 0 (1899-12-30) to 1970-01-01."""
DAY = 86_400
MIN_SECONDS = 1e8
"""Smaller numbers, before 1973, are years or counters rather than seconds since 1970."""
MISSING = frozenset(("", "null", "n/a", "none", "nan", "nat", "0000-00-00", "-", "\\n"))

NUMBER = r"^\d+(?:[.,]\d+)?(?:[eE]\+?\d+)?$"
COMPACT = r"^(\d{4})(\d{2})(\d{2})T?(\d{2})(\d{2})(\d{2})(?:[.,]\d+)?(Z|[+-]\d{2}:?\d{2})?$"
CLOCK = (
    r"(?:[T ,]+(?P<hour>\d{1,2})[:.h](?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,]\d+)?)?\s*"
    r"(?P<half>[AaPp]\.?[Mm]\.?)?\s*(?P<zone>Z|(?:UTC|GMT)?[+-]\d{2}:?\d{2}|UTC|GMT)?(?:\s*\([^)]*\))?)?$"
)
NUMERIC_DATE = r"^(?P<a>\d{1,2})[./\- ]{1,2}(?P<b>\d{1,2})[./\- ]{1,2}(?P<year>\d{2}|\d{4})" + CLOCK
YEAR_FIRST = r"^(?P<year>\d{4})[./](?P<b>\d{1,2})[./](?P<a>\d{1,2})" + CLOCK
MONTHS = {
    name: number
    for number, names in enumerate(
        (
            (
                "jan january января январь stycznia ledna ocak tammikuuta januar januari janvier janv enero ene "
                "janeiro gennaio gen styczeń jän jänner"
            ),
            (
                "feb february февраля февраль lutego února şubat helmikuuta februar februari février févr fév febrero "
                "fevereiro fev febbraio"
            ),
            "mar march марта март marca března mart maaliskuuta märz mär mrt maart mars marzo março",
            "apr april апреля апрель kwietnia dubna nisan huhtikuuta avril avr abril abr aprile",
            "may мая май maja května mayıs toukokuuta mai mei mayo maio maggio mag maj",
            "jun june июня июнь czerwca června haziran kesäkuuta juni juin junio junho giugno giu",
            "jul july июля июль lipca července temmuz heinäkuuta juli juillet juil julio julho luglio lug",
            "aug august августа август sierpnia srpna ağustos elokuuta augustus augusti août agosto ago",
            (
                "sep sept september сентября сентябрь września září eylül syyskuuta septembre septiembre setembro set "
                "settembre"
            ),
            (
                "oct october октября октябрь października října ekim lokakuuta okt oktober octobre octubre outubro out "
                "ottobre ott"
            ),
            "nov november ноября ноябрь listopada listopadu kasım marraskuuta novembre noviembre novembro",
            (
                "dec december декабря декабрь grudnia prosince aralık joulukuuta dez dezember décembre déc diciembre "
                "dic dezembro dicembre"
            ),
        ),
        start=1,
    )
    for name in names.split()
}
YEAR_NAMED = re.compile(
    r"(?P<year>\d{4})[\-/ 年](?P<month>[^\W\d_年月日]+|\d{1,2})[\-/ 月](?P<day>\d{1,2})日?(?P<rest>(?:\D.*)?)"
)
NAMED_DATE = re.compile(
    r"(?P<first>\d{1,2}(?=er\b|st\b|nd\b|rd\b|th\b|\W)|[^\W\d_]+)(?:er|st|nd|rd|th)?\.?[\s\-/,]+(?:de\s+|of\s+)?"
    r"(?P<second>[^\W\d_]+|\d{1,2})\.?(?:st|nd|rd|th)?[\s\-/,]+(?:de\s+)?(?P<year>\d{4}|\d{2})(?P<rest>(?:\D.*)?)"
)


def form_of(texts: Iterable[str]) -> tuple[Form, ...]:
    """The forms in which these times may be written, the most plausible first; empty where none was recognised.

    ``("dmy", "mdy")`` where no text decides which number is the month.
    """
    cells = [text for text in (text.strip() for text in texts) if text.casefold() not in MISSING]
    numbers = [float(text.replace(",", ".")) for text in cells if re.match(NUMBER, text)]
    numbers = [number for number in numbers if math.isfinite(number)]
    if not cells:
        return ()
    if len(numbers) > len(cells) / 2:
        return _numeric_form(numbers)
    return _worded_form(cells)


def _numeric_form(numbers: Sequence[float]) -> tuple[Form, ...]:
    """Seconds, milliseconds, days of Excel or YYYYMMDD, by what nearly all numbers can be."""
    middle = sorted(numbers)[len(numbers) // 2]
    whole = [number for number in numbers if number == int(number)]
    if len(whole) == len(numbers) and sum(map(_is_compact, whole)) > 0.9 * len(numbers):
        return ("ymd",)
    if 15_000 <= middle <= 80_000 and sum(15_000 <= number <= 80_000 for number in numbers) > 0.9 * len(numbers):
        return ("excel",)
    if middle < MIN_SECONDS:
        return ()
    return ("milliseconds",) if middle >= 1e11 else ("seconds",)


def _is_compact(number: float) -> bool:
    days = int(number) // 1_000_000 if number >= 1e13 else int(number)
    year, rest = divmod(days, 10_000)
    month, day = divmod(rest, 100)
    return 1900 <= year <= 2100 and 1 <= month <= 12 and 1 <= day <= 31


def _worded_form(cells: Sequence[str]) -> tuple[Form, ...]:
    parts = [found for text in cells if (found := re.match(NUMERIC_DATE, text))]
    if len(parts) <= len(cells) / 2:
        first = sum(bool(re.match(YEAR_FIRST, text)) for text in cells)
        return ("ymd",) if first > len(cells) / 2 else ("iso",)
    day_first = any(int(part["a"]) > 12 for part in parts)
    month_first = any(int(part["b"]) > 12 for part in parts)
    if day_first != month_first:
        return ("dmy",) if day_first else ("mdy",)
    return ("dmy", "mdy")


def read_times(column: pa.ChunkedArray, form: Form | None, latest: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Unix seconds of texts, and which of the texts could not be read.

    A time without a zone is UTC; a day is its midnight.

    Args:
        column: n texts.
        form: how most are written; others are tried as ISO, mail and with names of months.
        latest: later times are unreadable, as nobody has rated in the future.

    Returns:
        int64[n], -1 where unknown; bool[n], unreadable: not missing either.
    """
    numbers = _numbers(column) if form in NUMERIC else None
    if numbers is not None:
        seconds, known = _seconds_of(_from_numbers(numbers, form), latest)
        return seconds, ~known
    encoded = pc.utf8_trim_whitespace(column).combine_chunks().dictionary_encode()
    seconds, known = _seconds_of(_distinct(encoded.dictionary, form), latest)
    missing = pc.is_in(pc.utf8_lower(encoded.dictionary), pa.array(sorted(MISSING))).to_numpy(zero_copy_only=False)
    places = encoded.indices.to_numpy()
    return seconds[places], (~known & ~missing)[places]


def _numbers(column: pa.ChunkedArray) -> NDArray[np.float64] | None:
    """float64[n]: texts that are all finite numbers, as most files have them; None for others."""
    try:
        values: NDArray[np.float64] = column.cast(pa.float64()).to_numpy()
    except pa.ArrowInvalid:
        return None
    return values if np.isfinite(values).all() else None


def _seconds_of(values: NDArray[np.float64], latest: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """int64[n]: whole seconds, -1 for what is no time of a rating; bool[n]: the others."""
    with np.errstate(invalid="ignore"):
        known = (values > 0) & (values <= latest)
    return np.floor(np.where(known, values + 1e-6, UNKNOWN_TIME)).astype(np.int64), known


def _distinct(texts: pa.Array, form: Form | None) -> NDArray[np.float64]:
    """float64[m]: seconds since 1970 of distinct texts, NaN where they can't be read."""
    values = np.full(len(texts), np.nan)
    texts = pc.replace_substring_regex(texts, COMPACT, r"\1-\2-\3T\4:\5:\6\7")
    numeric = pc.match_substring_regex(texts, NUMBER).to_numpy(zero_copy_only=False)
    if numeric.any():
        numbers = pc.replace_substring(texts.filter(pa.array(numeric)), ",", ".").cast(pa.float64())
        values[numeric] = _from_numbers(numbers.to_numpy(zero_copy_only=False), form)
    for read in (_iso, lambda left: _numeric_dates(left, form), _others):
        left = np.isnan(values) & ~numeric
        if left.any():
            values[left] = read(texts.filter(pa.array(left)))
    return values


def _from_numbers(numbers: NDArray[np.float64], form: Form | None) -> NDArray[np.float64]:
    if form == "milliseconds":
        return np.where(numbers >= 1e17, numbers / 1e9, np.where(numbers >= 1e14, numbers / 1e6, numbers / 1e3))
    if form == "excel":
        return np.round((numbers - EXCEL_EPOCH_DAYS) * DAY)
    if form == "seconds":
        return numbers
    if form != "ymd":
        return np.full(len(numbers), np.nan)
    days = np.where(numbers < 1e8, numbers, 0).astype(np.int64)
    found: NDArray[np.float64] = _seconds(pd.Series(days.astype(str)), "%Y%m%d")
    return found


def _seconds(texts: pd.Series, form: str) -> NDArray[np.float64]:
    dates = pd.to_datetime(texts, format=form, utc=True, errors="coerce")
    moments = dates.dt.tz_localize(None).to_numpy("datetime64[us]")  # nanoseconds end in the year 2262
    return np.where(np.isnat(moments), np.nan, moments.astype(np.int64) / 1e6)


def _iso(texts: pa.Array) -> NDArray[np.float64]:
    cleaned = pc.replace_substring_regex(texts, r"\s+(UTC|GMT|Z)$", "Z")
    dated = pc.match_substring_regex(cleaned, r"^\d{4}-\d{1,2}").to_numpy(zero_copy_only=False)
    values = np.full(len(texts), np.nan)
    if dated.any():
        values[dated] = _seconds(cleaned.filter(pa.array(dated)).to_pandas(), "ISO8601")
    return values


def _numeric_dates(texts: pa.Array, form: Form | None) -> NDArray[np.float64]:
    """Dates of three numbers: day or month first by the form, or year first."""

    def read(text: str) -> float:
        year_first = re.match(YEAR_FIRST, text)
        found = year_first or re.match(NUMERIC_DATE, text)
        if not found:
            return float("nan")
        day, month, year = int(found["a"]), int(found["b"]), int(found["year"])
        if form == "mdy" and not year_first:
            day, month = month, day
        return _moment(_century(year), month, day, found)

    return np.array([read(text) for text in texts.to_pylist()], np.float64)


def day_of(seconds: int) -> str:
    """The day of Unix seconds in UTC, such as ``2020-09-13``."""
    return str(np.datetime64(seconds, "s").astype("datetime64[D]"))


def _century(year: int) -> int:
    """A year of two digits in full, as C's ``strptime`` does."""
    return year if year >= 100 else year + (1900 if year >= 69 else 2000)


def _moment(year: int, month: int, day: int, clock: re.Match[str] | None) -> float:
    hour = minute = second = shift = 0
    if clock is not None and clock["hour"]:
        hour, minute, second = int(clock["hour"]), int(clock["minute"]), int(clock["second"] or 0)
        if clock["half"]:
            hour = hour % 12 + (12 if clock["half"][0] in "pP" else 0)
        shift = _shift(clock["zone"])
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp() - shift
    except ValueError:
        return float("nan")


def _shift(zone: str | None) -> int:
    """Seconds that a zone is ahead of UTC."""
    if not zone or zone in ("Z", "UTC", "GMT"):
        return 0
    sign = zone.lstrip("UTCGM")
    digits = sign[1:].replace(":", "")
    return (1 if sign[0] == "+" else -1) * (int(digits[:2]) * 3600 + int(digits[2:]) * 60)


def _others(texts: pa.Array) -> NDArray[np.float64]:
    """Dates as in mail, of C's ``ctime``, and with names of months."""
    readers: tuple[Callable[[str], float], ...] = (_ctime, _named, _mail)

    def read(text: str) -> float:
        return next((value for reader in readers if (value := reader(text)) == value), float("nan"))

    return np.array([read(text) for text in texts.to_pylist()], np.float64)


def _mail(text: str) -> float:
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return float("nan")
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _ctime(text: str) -> float:
    try:
        return datetime.strptime(" ".join(text.split()), "%a %b %d %H:%M:%S %Y").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return float("nan")


def _named(text: str) -> float:
    """``Sep 13, 2020``, ``13 September 2020``, ``13. Sept. 2020 12:26``, ``2020-Sep-13``, ``2020年9月13日``."""
    if (found := YEAR_NAMED.fullmatch(text)) and found["month"].isdigit():
        return _moment(int(found["year"]), int(found["month"]), int(found["day"]), None)
    if found:
        text = f"{found['day']} {found['month']} {found['year']}{found['rest']}"
    found = NAMED_DATE.fullmatch(re.sub(r"^[^\W\d_]+,?\s+(?=[^\W\d_]|\d)", "", text, count=1))
    found = found or NAMED_DATE.fullmatch(text)
    if not found:
        return float("nan")
    parts = found["first"], found["second"]
    names = [MONTHS.get(part.casefold().rstrip(".")) for part in parts]
    days = [int(part) if part.isdigit() else None for part in parts]
    month, day = names[0] or names[1], days[0] or days[1]
    clock = re.match("^" + CLOCK, found["rest"])
    if month is None or day is None or clock is None:
        return float("nan")
    return _moment(_century(int(found["year"])), month, day, clock)

"""Encoding of a text file: mark, UTF-8, UTF-16, Windows-1252 where the text is Western; else a guess to confirm."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import charset_normalizer

STEP = 2**20
SAMPLE_BYTES = 2**18
"""Bytes with characters beyond ASCII that a guess is made from."""
MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
MAX_BAD_LINES = 0.05
"""Share of lines beyond ASCII that may be invalid in a file of UTF-8; more, and it is something else."""
MAX_ODD_WORDS = 0.1
"""Share of words beyond ASCII that may be no word of a Western language in Windows-1252."""
CANDIDATES = (
    "cp1251", "cp1250", "shift_jis", "gb18030", "big5", "euc_kr", "cp1252", "cp1253", "cp1254", "cp1255",
    "cp1256", "cp1257", "koi8_r", "mac_roman", "cp850", "cp437", "cp866", "iso8859_2", "euc_jp",
)  # fmt: skip
MAX_CHOICES = 12

ALPHABETS = tuple(
    frozenset(letters + letters.upper())
    for letters in (
        "àâæçéèêëîïôœùûüÿ",  # French
        "áéíñóúüïç·",  # Spanish, Catalan
        "àèéíïòóúüç",
        "áâãàçéêíóôõúü",  # Portuguese
        "äöüßéàè",  # German
        "àèéìíîòóùú",  # Italian
        "åäöæøéüèêôóòâ",  # Danish, Norwegian, Swedish, Finnish
        "áðéíóúýþæö",  # Icelandic, Faroese
        "áéíóúöüäëïèêô",  # Dutch, Irish, Hungarian without its long vowels
        "äöõüšž",  # Estonian
        "áéèíóúëêïîôâàäöüçñ",  # names of several origins
    )
)
WORD = re.compile(r"[^\s,;|\"()\[\]{}<>!?:/\\&+=*#@~._]+")
INSIDE = "’‘'-‑·"
AROUND = INSIDE + "´`–—…”“„‚»«®™°²³¹ªº•€£¥§¶½¼¾¿¡×©"
CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f]")
RUN = re.compile(r"[^\W\d_a-zA-Z]{3,}")


@dataclass(frozen=True)
class Encoding:
    """Encoding of a file; where it is not certain, the lines with bytes beyond ASCII that a person has to judge by."""

    name: str
    is_certain: bool
    sample: bytes = b""


def detect(path: Path, check: Callable[[], None] = lambda: None) -> Encoding:
    """The encoding of a text file.

    Args:
        path: the file.
        check: called often; may raise to stop.

    Returns:
        ``utf-8``, ``utf-8-sig``, ``utf-16``, ``utf-16-le``, ``utf-16-be``, ``utf-32`` or ``cp1252``; else one that
        is not certain, in which any text can be read.
    """
    with path.open("rb") as stream:
        start = stream.read(4096)
    for mark, name in MARKS.items():
        if start.startswith(mark):
            return Encoding(name, True)
    if b"\0" in start:
        odd, even = start[1::2].count(0), start[::2].count(0)
        return Encoding("utf-16-le" if odd > even else "utf-16-be", True)
    sample, bad, good = _beyond_ascii(path, check)
    if bad <= MAX_BAD_LINES * good:
        return Encoding("utf-8", True)
    if is_western(sample):
        return Encoding("cp1252", True)
    return Encoding("latin-1", False, sample)


def _beyond_ascii(path: Path, check: Callable[[], None]) -> tuple[bytes, int, int]:
    """Lines with bytes beyond ASCII, up to a sample's size, and how many of them are invalid and valid UTF-8."""
    sample: list[bytes] = []
    size = bad = good = 0
    for block in _blocks(path):
        check()
        if block.isascii():
            continue
        try:
            block.decode()
            lines = block.split(b"\n") if size < SAMPLE_BYTES else []
            good += len(lines) or block.count(b"\n") + 1
        except UnicodeDecodeError:
            lines = [line for line in block.split(b"\n") if not line.isascii()]
            wrong = sum(not _is_utf8(line) for line in lines)
            bad, good = bad + wrong, good + len(lines) - wrong
        for line in lines:
            if size < SAMPLE_BYTES and not line.isascii():
                sample.append(line)
                size += len(line)
    return b"\n".join(sample), bad, good


def _blocks(path: Path) -> Iterator[bytes]:
    """The file in blocks that end at a line end, where there is one."""
    with path.open("rb") as stream:
        while block := stream.read(STEP):
            yield block + stream.readline(STEP)


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def is_western(sample: bytes) -> bool:
    """Whether text reads in Windows-1252 as words of Western languages.

    A word is odd if it has a sign inside, a capital after a small letter, three letters beyond ASCII in a row, or
    letters that no one language has together: what other encodings look like when read as Windows-1252.
    """
    try:
        text = sample.decode("cp1252")
    except UnicodeDecodeError:
        return False
    if CONTROL.search(text):
        return False
    words = {word for word in WORD.findall(text) if not word.isascii()}
    letters = {char for char in text.casefold() if char.isalpha() and not char.isascii()}
    odd = sum(_is_odd(word) or _is_foreign(word.casefold(), letters) for word in words)
    return odd <= MAX_ODD_WORDS * len(words)


def _is_odd(word: str) -> bool:
    core = word.strip(AROUND)
    if not all(char.isalpha() or char.isdecimal() or char in INSIDE for char in core):
        return True
    letters = {char for char in core if char.isalpha() and not char.isascii()}
    if not any(letters <= alphabet for alphabet in ALPHABETS) or RUN.search(core):
        return True
    return any(not char.isascii() and char.isupper() and before.islower() for before, char in pairwise(core))


def _is_foreign(word: str, letters: set[str]) -> bool:
    """Whether a word has letters that stand for Turkish or Hungarian ones, by the other letters of the text.

    Only Icelandic has ð, þ and ý, and it has no ü or ç; õ is Portuguese before e, or Estonian, which has no é.
    """
    if set(word) & set("ðþý"):
        return bool(letters & set("üç")) or word.startswith("ð") or word.rstrip(AROUND).endswith("þ")
    estonian = "ä" in letters and not letters & set("áéíóú")
    if "õ" in word:
        return "õe" not in word and not estonian
    return "û" in word and "õ" in letters


def _guesses(sample: bytes) -> list[str]:
    """Encodings by plausibility, the best first."""
    names = [match.encoding for match in charset_normalizer.from_bytes(sample)]
    return [name for name in names if name not in ("utf_8", "ascii", "latin_1", "cp1252")]


def can_read(sample: bytes, encoding: str) -> bool:
    """Whether text can be decoded."""
    try:
        sample.decode(encoding)
    except UnicodeError:
        return False
    return True


def readings(sample: bytes) -> dict[str, str]:
    """How some lines read in each encoding that may be meant, the most plausible first: encoding to text.

    Encodings in which they can't be read, or give control characters, are left out.
    """
    found: dict[str, str] = {}
    for name in dict.fromkeys((*_guesses(sample), *CANDIDATES)):
        if not can_read(sample, name):
            continue
        text = sample.decode(name)
        if not CONTROL.search(text) and text not in found.values():
            found[name] = text
    return dict(list(found.items())[:MAX_CHOICES])


def is_known(name: str) -> bool:
    """Whether text can be decoded from an encoding of that name."""
    try:
        return codecs.lookup(name)._is_text_encoding  # ROT13 is none
    except LookupError:
        return False

"""Encodings: Unicode and Western text are certain, others are guesses that show the text; nothing is read wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.encodings import detect, is_known, is_western, readings

WESTERN = {
    "french": "Le Père Noël est une ordure,Été violent,La Règle du jeu,Hôtel du Nord,Cœurs",
    "spanish": "El espíritu de la colmena,Mañana,La niña santa,Ópera prima,¡Átame!",
    "portuguese": "Central do Brasil,O Pagador de Promessas,São Bernardo,Não,Ação entre amigos",
    "german": "Der Himmel über Berlin,Das weiße Band,Fräulein,Männer,Lola rennt",
    "italian": "Così ridevano,La città delle donne,Il più bel giorno,Perché no",
    "danish": "Babettes gæstebud,Brødre,Hævnen,Blå mænd",
    "swedish": "Smultronstället,Såsom i en spegel,Låt den rätte komma in",
    "quotes": "“Z” – le film,It’s a Wonderful Life,L’Avventura…",
}
OTHERS = {
    "cp1251": "Ирония судьбы,Сталкер,Летят журавли,Солярис",
    "koi8_r": "Ирония судьбы,Сталкер,Летят журавли,Солярис",
    "cp1250": "Popiół i diament,Nóż w wodzie,Człowiek z żelaza,Ostře sledované vlaky",
    "cp1253": "Ο θίασος,Μια αιωνιότητα και μια μέρα,Κυνόδοντας",
    "cp1254": "Kış Uykusu,Eşkıya,Babam ve Oğlum,Üç Maymun",
    "cp1255": "ואלס עם באשיר,הערת שוליים",
    "cp1256": "كفرناحوم,وجدة,المومياء",
    "shift_jis": "千と千尋の神隠し,七人の侍,東京物語",
    "euc_jp": "千と千尋の神隠し,七人の侍,東京物語",
    "gb18030": "霸王别姬,花样年华,大红灯笼高高挂",
    "big5": "霸王別姬,花樣年華,大紅燈籠高高掛",
    "euc_kr": "기생충,올드보이,살인의 추억",
    "mac_roman": "À bout de souffle,Été violent,La Règle du jeu",
}


def written(folder: Path, titles: str, encoding: str) -> Path:
    path = folder / "file"
    path.write_bytes("".join(f"u{n},{title},4\n" for n, title in enumerate(titles.split(","))).encode(encoding))
    return path


@pytest.mark.parametrize("language", WESTERN)
@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("utf-32", "utf-32"),
        ("cp1252", "cp1252"),
    ],
)
def test_western_text_is_certain(tmp_path: Path, language: str, encoding: str, name: str) -> None:
    found = detect(written(tmp_path, WESTERN[language], encoding))
    assert (found.name, found.is_certain) == (name, True)


@pytest.mark.parametrize("encoding", OTHERS)
def test_other_text_is_a_guess_among_which_it_reads_right(tmp_path: Path, encoding: str) -> None:
    path = written(tmp_path, OTHERS[encoding], encoding)
    assert not detect(path).is_certain
    assert not is_western(path.read_bytes())
    title = OTHERS[encoding].split(",")[0]
    assert any(title in text for text in readings(path.read_bytes()).values())


def test_a_few_broken_lines_leave_a_file_utf_8(tmp_path: Path) -> None:
    path = written(tmp_path, ",".join(["Amélie"] * 200), "utf-8")
    path.write_bytes(path.read_bytes() + b"u,caf\xe9,4\n")
    assert detect(path).name == "utf-8"


def test_plain_text_is_utf_8(tmp_path: Path) -> None:
    assert detect(written(tmp_path, "Heat,Alien", "ascii")).name == "utf-8"


@pytest.mark.parametrize(
    ("name", "known"), [("cp1251", True), ("UTF-8", True), ("klingon", False), ("rot13", False), ("hex", False)]
)
def test_names_of_encodings(name: str, known: bool) -> None:
    assert is_known(name) is known


@given(st.binary(min_size=1, max_size=200))
def test_any_bytes_have_an_encoding(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("bytes") / "file"
    path.write_bytes(content)
    found = detect(path)
    content.decode(found.name, errors="replace")
    assert is_known(found.name)

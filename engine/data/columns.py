"""Columns of a table of ratings: the names they go by, and what they hold where no name is known."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from engine.data.notations import NOT_RATED, read_rating
from engine.data.times import form_of

Role = Literal[
    "user", "movie", "rating", "time", "title", "year", "genres", "imdb", "tmdb", "trakt", "letterboxd", "alias", "kind"
]

ALIASES: dict[Role, tuple[str, ...]] = {
    "user": (
        "userid", "user", "uid", "username", "customerid", "customer", "reviewerid", "reviewer", "memberid",
        "member", "personid", "person",
        "accountid", "account", "profileid", "profile", "profilename", "viewerid", "viewer", "raterid", "rater",
        "criticid", "critic", "voter",
        "visitorid", "visitor",
        "readerid", "reader", "clientid", "subscriberid", "playerid", "userkey", "useridx", "users", "who",
        "benutzer", "benutzerid", "benutzername", "nutzer", "nutzerid", "kunde", "mitglied", "person",
        "utilisateur", "utilisateurid", "membre", "client", "usuario", "usuarioid", "idusuario",
        "utente", "idutente", "utilizador", "gebruiker", "gebruikerid", "kijker", "klant", "lid", "användare",
        "bruger", "bruker", "käyttäjä", "uzytkownik", "użytkownik", "uživatel",
        "felhasználó", "usuário", "spectateur", "espectador", "zuschauer", "katsoja", "korisnik", "gledalac",
        "kullanıcı", "пользователь", "зритель", "ユーザー", "用户", "사용자",
    ),
    "movie": (
        "movieid", "movie", "filmid", "film", "itemid", "item", "iid", "mid", "productid", "product", "parentasin",
        "asin", "businessid", "bookid",
        "animeid", "isbn", "isbn13", "showid", "show", "titleid", "contentid", "videoid", "gameid", "game",
        "songid", "artistid", "jokeid", "trackid", "recipeid", "beerid", "movieidx", "moviekey",
        "movies", "films", "items", "book", "anime", "video", "series", "venueid", "restaurantid", "placeid",
        "filme", "filmtitel", "película", "pelicula", "idpelicula", "pellicola", "elokuva", "produkt", "artikel",
        "artikelid", "фильм", "映画", "电影", "영화",
    ),
    "rating": (
        "yourrating", "myrating", "yourated", "userrating", "ownrating", "myscore", "yourscore", "userscore",
        "rating", "ratings", "score", "stars", "star", "starrating", "value", "overall",
        "bookrating", "movierating", "ratingvalue", "rate", "rated", "vote", "points", "grade", "mark", "note",
        "preference", "feedback",
        "bewertung", "meinebewertung", "wertung", "punkte", "sterne", "noten", "évaluation", "evaluation",
        "étoiles", "etoiles", "manote", "calificación", "calificacion", "puntuación", "puntuacion", "valoración",
        "valoracion",
        "nota", "voto", "valutazione", "punteggio", "avaliação", "avaliacao", "classificação", "waardering",
        "beoordeling", "cijfer", "betyg", "vurdering", "karakter", "arvosana", "arvio", "ocena", "hodnocení",
        "hodnoceni", "értékelés", "puan", "оценка", "рейтинг", "評価", "评分", "평점",
        "thumb", "thumbs", "liked", "reaction",
    ),
    "time": (
        "timestamp", "time", "date", "datetime", "ts", "createdat", "created", "ratedat", "daterated", "ratingdate",
        "ratingtime", "unixreviewtime", "reviewtime", "reviewdate", "unixtime", "unixtimestamp", "dateadded",
        "watchedon", "watcheddate", "watchedat", "datewatched", "dateofrating", "updatedat", "modified", "when",
        "day", "at", "ratetime", "votedate", "addedat", "eventtime", "eventutcts", "dateread", "tstamp", "epoch",
        "datum", "zeit", "zeitpunkt", "zeitstempel", "bewertetam", "gesehenam", "heure", "horodatage", "fecha",
        "hora", "tempo", "data", "datahora", "tijd", "tijdstip", "tid", "dato", "päivä", "päivämäärä", "aika",
        "czas", "čas", "dátum", "tarih", "дата", "время", "日付", "日期", "날짜",
    ),
    "title": (
        "title", "name", "movietitle", "filmname", "moviename", "titlename", "booktitle", "itemname", "itemtitle",
        "originaltitle", "primarytitle", "filmtitle",
        "titel", "titre", "título", "titulo", "titolo", "nombre", "nome", "nimi", "otsikko", "tytuł", "tytul",
        "název", "cím", "başlık", "название", "タイトル", "标题", "제목",
    ),
    "year": (
        "year", "releaseyear", "movieyear", "yearreleased", "yearofrelease", "yearofpublication", "startyear",
        "productionyear", "originalpublicationyear", "yearpublished", "releasedate", "released", "jahr",
        "année", "annee", "año", "ano", "anno", "jaar", "år", "vuosi", "rok", "év", "yıl", "год", "年",
    ),
    "genres": ("genres", "genre", "categories", "listedin", "genero", "género", "generi", "gatunek", "žánr", "жанр"),
    "imdb": ("imdbid", "imdb", "const", "tconst", "imdbtitleid"),
    "tmdb": ("tmdbid", "tmdb", "themoviedbid"),
}  # fmt: skip
"""Names of columns, the most telling first, as ``normal`` gives them."""
PLAYS = frozenset(
    ("weight", "plays", "playcount", "playcounts", "nplays", "listens", "listencount", "listeningcount",
    "scrobbles", "hours", "hoursplayed", "playtime", "playtimeforever",
     "minutes", "msplayed", "secondsplayed", "duration", "watchtime", "viewcount", "views", "clicks", "purchases",
     "quantity", "watchedepisodes", "timeswatched", "watchcount")
)  # fmt: skip
"""Names of columns that count plays or hours."""


def normal(name: str) -> str:
    """``"User_Id "`` as ``userid``: case, blanks, dots, hyphens and underscores do not count."""
    return re.sub(r"[\s._\-:#*()\"'’]+", "", name.lstrip("\ufeff").casefold())


NAMES: dict[str, Role] = {name: role for role, names in ALIASES.items() for name in names}


def find(names: Sequence[str]) -> dict[Role, int]:
    """Position of the column of each role that goes by a known name; of several names the most telling."""
    plain = [normal(name) for name in names]
    found: dict[Role, int] = {}
    for role, aliases in ALIASES.items():
        for alias in aliases:
            if alias in plain:
                found[role] = plain.index(alias)
                break
    return found


def is_header(row: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether a row names the columns of the rows below it."""
    if sum(normal(cell) in NAMES or normal(cell) in PLAYS for cell in row) >= min(2, len(row)):
        return True
    corner = NAMES.get(normal(row[0])) if row else None
    if corner in ("user", "movie", "title") and len(row) > 2 and len(set(row)) == len(row):
        return True
    named = plain = 0
    for place, cell in enumerate(row):
        cells = [line[place] for line in rows if place < len(line) and line[place].strip()]
        if cells and sum(map(is_value, cells)) > 0.8 * len(cells):
            named += not is_value(cell)
            plain += is_value(cell)
    if named != plain:
        return named > plain
    below = {tuple(line) for line in rows}
    return len(row) == len(set(row)) and all(cell.strip() for cell in row[1:]) and tuple(row) not in below and not plain


def is_value(cell: str) -> bool:
    """Whether a cell holds a number, a rating or a date rather than a name."""
    text = cell.strip()
    return (
        bool(re.fullmatch(r"[+-]?[\d.,:/\-T ]*\d[\d.,:/\-TZ ]*%?", text))
        or text.casefold() in NOT_RATED
        or (read_rating(text, ",") is not None and (len(text) > 1 or not text.isalpha()))
    )


def guess(rows: Sequence[Sequence[str]], known: Mapping[Role, int]) -> dict[Role, int]:
    """A plausible role for columns that have no known name, from their values; empty where it is a toss-up.

    Args:
        rows: some rows of the table.
        known: what names have told.
    """
    width = max(map(len, rows), default=0)
    columns = {
        place: [row[place].strip() for row in rows if place < len(row) and row[place].strip()]
        for place in range(width)
        if place not in known.values()
    }
    found: dict[Role, int] = dict(known)
    if "time" not in found:
        times = [place for place, cells in columns.items() if _are_times(cells)]
        if len(times) == 1:
            found["time"] = times[0]
    if "rating" not in found:
        ratings = [place for place, cells in columns.items() if place not in found.values() and _are_ratings(cells)]
        if len(ratings) == 1:
            found["rating"] = ratings[0]
    left = [place for place, cells in columns.items() if place not in found.values() and len(set(cells)) > 1]
    if "movie" in found or "title" in found:
        left = [place for place in left if are_people(columns[place])]
    wanted: list[Role] = [role for role in ("user", "movie") if role not in found]
    if "title" in found and "movie" in wanted:
        wanted.remove("movie")
    if len(left) == len(wanted) == 1:
        found[wanted[0]] = left[0]
    elif len(left) == len(wanted) == 2:  # by custom the user comes first
        found["user"], found["movie"] = left
    return found if {"user", "rating"} <= found.keys() and found.keys() & {"movie", "title"} else {}


def are_people(cells: Sequence[str]) -> bool:
    """Whether cells may name users: a few that come again and again, and no numbers with a point."""
    distinct = set(cells)
    return 1 < len(distinct) <= len(cells) / 2 and not any("." in cell and is_value(cell) for cell in distinct)


def _are_times(cells: Sequence[str]) -> bool:
    return len(set(cells)) > 1 and any(
        form != "iso" or all(re.match(r"\d{4}-\d|\D*\d{1,2}\D", cell) for cell in cells) for form in form_of(cells)
    )


def _are_ratings(cells: Sequence[str]) -> bool:
    read = [read_rating(cell, ",") for cell in cells if cell.casefold() not in NOT_RATED]
    values = {one.value for one in read if one is not None}
    return None not in read and 1 < len(values) <= 101 and max(values) <= 100 and len(values) < max(len(cells), 3)


def declared_columns(names: Sequence[str], width: int, columns: Mapping[Any, str | int]) -> dict[Role, int] | None:
    """Positions of declared columns; None if the table lacks one of them.

    Args:
        names: of the table's columns; empty without a header.
        width: number of its columns.
        columns: name or position by role.
    """
    plain = [normal(name) for name in names]
    found: dict[Role, int] = {}
    for role, column in columns.items():
        if isinstance(column, int):
            place = column if column < width else -1
        elif column in names:
            place = list(names).index(column)
        else:
            place = plain.index(normal(column)) if normal(column) in plain else -1
        if place < 0:
            return None
        found[role] = place
    return found

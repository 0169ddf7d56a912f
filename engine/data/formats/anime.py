"""Anime: MyAnimeList's XML, and public tables with anime_id."""

from __future__ import annotations

from engine.data.formats.base import TEN, Head, Layout, Source, owned

EXPORT = Source("myanimelist", "MyAnimeList", TEN, frozenset((0.0,)), personal=True)
TABLE = Source("anime", "MyAnimeList tables", TEN, frozenset((0.0, -1.0)))


def recognise(head: Head) -> Layout | None:
    """By the names of the XML's elements, or the column anime_id."""
    if head.has("seriesanimedbid", "myscore") or head.has("mangamangadbid", "myscore"):
        layout = head.ratings(
            EXPORT,
            movie=("seriesanimedbid", "mangamangadbid"),
            title=("seriestitle", "mangatitle"),
            rating="myscore",
            time=("myfinishdate", "mystartdate"),
        )
        return owned(layout, head.table.about.get("user_name", ""))
    if not head.has("animeid"):
        return None
    if any(head.has(name) for name in ("userid", "username")):
        return head.ratings(
            TABLE,
            user=("userid", "username"),
            movie="animeid",
            rating=("rating", "myscore", "score"),
            time="mylastupdated",
        )
    if head.has("name") or head.has("title"):
        return head.movies(
            TABLE, movie="animeid", title=("title", "name"), genres=("genres", "genre"), year=("year", "airedfromyear")
        )
    return None

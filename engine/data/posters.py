"""Where the pictures of movies are: in a folder of the owner, or at addresses made from a template."""

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".avif", ".gif")
"""No SVG: opened by itself it could run scripts."""
ROUTE = "/posters"
"""Path below which the server offers the folder."""
FIELD = re.compile(r"\{(\w*)\}")


def poster_address(posters: str, movie_id: str, sites: Mapping[str, str]) -> str | None:
    """The address of a movie's picture, for a browser; None where there is none.

    Args:
        posters: a folder with pictures named after ids, or a URL with {id}, {imdb} or {tmdb}; "" for neither.
        movie_id: the movie's id.
        sites: its ids elsewhere, without the ``tt`` of IMDb.
    """
    ids = {"id": movie_id} | {site: f"tt{own}" if site == "imdb" else own for site, own in sites.items()}
    if "://" in posters:
        if any(name not in ids for name in FIELD.findall(posters)):
            return None
        return FIELD.sub(lambda found: quote(ids[found[1]], safe=""), posters)
    if not posters:
        return None
    names = (f"{own}{suffix}" for own in (movie_id, ids.get("imdb", movie_id)) for suffix in SUFFIXES)
    name = next((name for name in names if poster_file(Path(posters), name)), None)
    return None if name is None else f"{ROUTE}/{quote(name, safe='')}"


def poster_file(folder: Path, name: str) -> Path | None:
    """The picture of this name; None where the folder itself has none."""
    if "\0" in name or Path(name).name != name or Path(name).suffix.lower() not in SUFFIXES:
        return None
    file = folder / name
    try:
        return file if file.is_file() else None
    except OSError:  # a name too long for the file system is no file's
        return None

"""Generated title cards: colour and pattern show the genre, and a movie always looks the same.

Movies without a genre share a pattern, and each has a colour of its own.
"""

import base64
import hashlib
import math
from collections.abc import Callable, Sequence

WIDTH, HEIGHT = 320, 180
Draw = Callable[[Sequence[float]], str]


def _circles(u: Sequence[float]) -> str:
    """Crossing spotlights."""
    discs = [(WIDTH * (0.35 + 0.6 * u[k]), HEIGHT * u[k + 1], 40 + 60 * u[k + 2]) for k in (0, 2, 4)]
    return "".join(f'<circle cx="{x:.0f}" cy="{y:.0f}" r="{r:.0f}" opacity=".3"/>' for x, y, r in discs)


def _slashes(u: Sequence[float]) -> str:
    """Fast diagonals."""
    lean = 60 + 50 * u[0]
    xs = [130 + 34 * k + 18 * u[k] for k in range(7)]
    return "".join(
        f'<path d="M{x:.0f} {HEIGHT}l{lean:.0f} -{HEIGHT}h{3 + 13 * u[k]:.0f}l-{lean:.0f} {HEIGHT}z" opacity=".38"/>'
        for k, x in enumerate(xs)
    )


def _waves(u: Sequence[float]) -> str:
    """Hills or water."""
    out = []
    for k in range(5):
        y, swing, step = 28 + 26 * k, 10 + 16 * u[k], WIDTH / (2 + round(2 * u[k + 1]))
        curve = "".join(f"q{step / 2:.0f} {swing * (-1) ** n:.0f} {step:.0f} 0" for n in range(6))
        out.append(
            f'<path d="M-{40 * u[k]:.0f} {y}{curve}" fill="none" stroke-width="3" opacity="{0.25 + 0.1 * k:.2f}"/>'
        )
    return f'<g stroke="currentColor">{"".join(out)}</g>'


def _orbits(u: Sequence[float]) -> str:
    """Planets on their orbits."""
    x, y, tilt = WIDTH * (0.6 + 0.25 * u[0]), HEIGHT * (0.3 + 0.3 * u[1]), -30 + 60 * u[2]
    rings = "".join(
        f'<ellipse rx="{34 + 32 * k}" ry="{14 + 15 * k}" opacity="{0.75 - 0.13 * k:.2f}"/>' for k in range(5)
    )
    return (
        f'<g transform="translate({x:.0f} {y:.0f}) rotate({tilt:.0f})"><circle r="{12 + 10 * u[3]:.0f}" opacity=".75"/>'
        f'<g fill="none" stroke="currentColor" stroke-width="1.6">{rings}</g></g>'
    )


def _blinds(u: Sequence[float]) -> str:
    """Light through a venetian blind."""
    lean, left = 24 + 30 * u[0], 110 + 60 * u[1]
    slat = f"l190 -{lean:.0f}v8l-190 {lean:.0f}z"
    return "".join(
        f'<path d="M{left + 5 * k:.0f} {10 + 17 * k}{slat}" opacity="{0.5 - 0.04 * k:.2f}"/>' for k in range(10)
    )


def _rays(u: Sequence[float]) -> str:
    """A low sun."""
    x, y = WIDTH * (0.55 + 0.35 * u[0]), HEIGHT * (0.35 + 0.4 * u[1])
    out = []
    for k in range(12):
        turn, width = 2 * math.pi * (k + u[2]) / 12, 0.09 + 0.05 * u[3]
        (ax, ay), (bx, by) = ((400 * math.cos(turn + d), 400 * math.sin(turn + d)) for d in (-width, width))
        out.append(f'<path d="M{x:.0f} {y:.0f}l{ax:.0f} {ay:.0f}L{x + bx:.0f} {y + by:.0f}z" opacity=".26"/>')
    return "".join(out) + f'<circle cx="{x:.0f}" cy="{y:.0f}" r="{20 + 14 * u[4]:.0f}" opacity=".8"/>'


def _scallops(u: Sequence[float]) -> str:
    """A theatre's seats."""
    size, shift = 15 + 7 * u[0], 30 * u[1]
    seats = []
    for row in range(7):
        for n in range(14):
            x, y = shift - 20 + size * (row % 2) + 2 * size * n, 22 + row * size * 1.35
            light = 0.12 + 0.3 * u[(3 * row + n) % 8]
            seats.append(f'<circle cx="{x:.0f}" cy="{y:.0f}" r="{size * 0.78:.0f}" opacity="{light:.2f}"/>')
    return "".join(seats)


def _peaks(u: Sequence[float]) -> str:
    """Teeth, or mountains at night."""
    out = []
    for k in range(3):
        base, step = HEIGHT - 12 + 20 * k, 38 + 12 * k
        tips = "".join(
            f"l{step / 2:.0f} -{44 + 60 * u[(n + 3 * k) % 8]:.0f}L{step * (n + 1):.0f} {base}" for n in range(9)
        )
        out.append(f'<path d="M0 {base}{tips}z" opacity="{0.22 + 0.14 * k:.2f}"/>')
    return "".join(out)


def _lattice(u: Sequence[float]) -> str:
    """A surveyor's grid running to the horizon."""
    x, y = WIDTH * (0.4 + 0.4 * u[0]), 34 + 30 * u[1]
    fan = "".join(f'<path d="M{x:.0f} {y:.0f}L{-160 + 64 * k} {HEIGHT}"/>' for k in range(11))
    levels = "".join(f'<path d="M0 {y + (HEIGHT - y) * (k / 7) ** 2:.0f}h{WIDTH}"/>' for k in range(8))
    return f'<g fill="none" stroke="currentColor" stroke-width="1.6" opacity=".55">{fan}{levels}</g>'


# Hue (degrees) and pattern by genre. Genres that often occur together have different hues.
GENRES: dict[str, tuple[int, Draw]] = {
    "action": (14, _slashes),
    "adventure": (158, _waves),
    "animation": (288, _scallops),
    "children": (42, _scallops),
    "comedy": (30, _scallops),
    "crime": (222, _blinds),
    "documentary": (186, _lattice),
    "drama": (206, _circles),
    "fantasy": (268, _rays),
    "film-noir": (230, _blinds),
    "horror": (352, _peaks),
    "imax": (196, _lattice),
    "musical": (318, _waves),
    "mystery": (248, _orbits),
    "romance": (338, _circles),
    "sci-fi": (192, _orbits),
    "thriller": (212, _slashes),
    "war": (96, _peaks),
    "western": (20, _rays),
}
OTHER: tuple[int, Draw] = (200, _lattice)


def drawing(movie_id: str, genres: Sequence[str]) -> str:
    """The card as SVG, without its title; the page darkens it behind the title.

    It holds numbers only, so no data can break out of the markup.
    """
    u = [byte / 255 for byte in hashlib.blake2b(movie_id.encode("utf-8", "replace"), digest_size=8).digest()]
    (hue, _), (other, _) = looks = _looks(genres) if genres else ((round(360 * u[5]), OTHER[1]),) * 2
    second = other if other != hue else hue + 32
    draw = looks[round(u[6])][1]  # either genre's pattern, so that cards of one genre vary
    tint = hue + (u[7] - 0.5) * 20
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="xMidYMid slice">'
        '<defs><linearGradient id="g" x1="0" y1="1" x2="1" y2="0">'
        f'<stop offset="0" stop-color="hsl({tint:.0f},56%,17%)"/>'
        f'<stop offset="1" stop-color="hsl({tint + 12:.0f},58%,43%)"/></linearGradient></defs>'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="url(#g)"/>'
        f'<g color="hsl({second:.0f},62%,64%)" fill="hsl({second:.0f},62%,64%)">{draw(u)}</g></svg>'
    )


def _looks(genres: Sequence[str]) -> tuple[tuple[int, Draw], tuple[int, Draw]]:
    """Hue and pattern of the first two genres; the first one twice if there is only one."""
    found = [GENRES.get(genre.lower(), OTHER) for genre in genres[:2]] or [OTHER]
    return found[0], found[-1]


def data_url(movie_id: str, genres: Sequence[str]) -> str:
    """The drawing as a ``data:`` URL."""
    return "data:image/svg+xml;base64," + base64.b64encode(drawing(movie_id, genres).encode()).decode()

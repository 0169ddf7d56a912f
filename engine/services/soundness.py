"""Whether the arrays of a version from a file are what its model needs: every shape, type and number, before any use.

Compiled loops read past the end of an array without a word, and a number that sizes an array takes memory before
anything can be refused. So each array is held to its line of a table first; what a table can't say, such as whether a
system can be solved, shows when the version is tried (``warmup.try_out``).
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from engine.models.base import ModelConfig
from engine.models.hyperparameters import AUTO
from engine.models.ncf import NeuralCFConfig
from engine.models.spark_als import SparkALSConfig
from engine.models.svd import MatrixFactorizationConfig

LARGEST = 1e9
"""The largest number that anything learned may hold; what is learned stays far below."""
AT_ONCE = 2**20
"""Numbers that are looked at in one step."""
MATRICES_AT_ONCE = 2000
MAX_NOISE = 100.0
"""How many times noisier than average a user's ratings may be, or less noisy; what is learned stays within four."""
INDEFINITE = 1e-3
"""How far below 0 rounding to float32 may put the smallest eigenvalue of a covariance, as a part of the largest."""

Shape = tuple[int | str, ...]
Line = tuple[str, str, Shape]
"""A pattern of names, the types (``f`` for both floats), and the shape, where a text stands for one size throughout."""

COMMON: tuple[Line, ...] = (
    ("calibration/widths", "f", (3, 3)),
    ("calibration/constants", "f", (3,)),
    ("counts/users", "i4", ("users",)),
    ("counts/movies", "i4", ("movies",)),
    ("offsets/users", "f", ("users or none", "vector")),
    ("offsets/movies", "f", ("movies", "vector")),
    ("popularity/scores", "f", ("movies",)),
    ("ranker/constants", "f", (3,)),
    ("ranker/factors", "f", ("ranked", "ranker factors")),
    ("ranker/movies", "i4", ("ranked",)),
    ("ranker/penalty", "f", (2,)),
    ("ranker/raised", "f", ("ranked",)),
    ("ranker/weights", "f", ("ranked", "ranked")),
    ("spread/rating", "f", (1,)),
)
SVD: tuple[Line, ...] = (
    ("rating/constants", "f", ("constants",)),
    ("rating/penalties", "f", (2, 4)),
    ("rating/user_bias", "f", ("users",)),
    ("rating/movie_bias", "f", ("movies",)),
    ("rating/user_factors", "f", ("users", "factors")),
    ("rating/movie_factors", "f", ("movies", "factors")),
)
NCF: tuple[Line, ...] = (
    ("rating/scale", "f", ("scale",)),
    ("rating/taught", "f", (2, "taught")),
    ("rating/user_vectors", "f", ("users", "vector")),
    ("rating/movie_vectors", "f", ("movies and one", "vector")),
    ("rating/nobody", "f", ("vector",)),
    ("rating/user_weights", "f", ("user inputs", "width")),
    ("rating/pair_weights", "f", ("pair inputs", "width")),
    ("rating/movie_weights", "f", ("movie inputs", "width")),
    ("rating/intercept", "f", ("width",)),
    (r"rating/deep_weights_0", "f", ("networks", "inputs 0", "outputs 0")),
    (r"rating/deep_weights_1", "f", ("networks", "inputs 1", "outputs 1")),
    (r"rating/deep_weights_2", "f", ("networks", "inputs 2", "outputs 2")),
    ("rating/features/metadata", "u1", ("metadata",)),
    ("rating/features/constants", "f", ("feature constants",)),
    ("rating/features/choices", "f", (2, "attributes")),
    ("rating/features/deviations", "f", ("movies and one",)),
    ("rating/features/movies", "f", ("movies and one", "movie features")),
    ("rating/factorization/constants", "f", (2,)),
    ("rating/factorization/movie_means", "f", ("movies", "row")),
    ("rating/factorization/movie_covariances", "f", ("movies", "half")),
    ("rating/factorization/movie_weights", "f", ("movie content", "row")),
    ("rating/factorization/(user|movie)_precision", "f", ("row", "row")),
    ("rating/factorization/user_means", "f", ("users and one", "row")),
    ("rating/factorization/user_covariances", "f", ("users and one", "half")),
    ("rating/factorization/user_noise", "f", ("users and one",)),
    ("rating/audience/raters", "f", ("users and one", "audience")),
    ("rating/audience/expected", "f", ("content and one", "audience")),
    ("rating/factorization/user_weights", "f", ("user choices", "row")),
)
LAYOUTS: Mapping[str, tuple[Line, ...]] = {"svd": COMMON + SVD, "ncf": COMMON + NCF, "als": COMMON + SVD}
REPORTED = r"report/(error_ratings|row/squared|(list|error)/\w+|newcomer/(squared|ndcg)_\d+)"
COUNTS = rf"counts/(users|movies)|spread/rating|{REPORTED}"
"""Names of arrays that hold nothing below 0."""

Number = Annotated[float, Field(ge=-LARGEST, le=LARGEST)]
Text = Annotated[str, Field(max_length=300)]


class _Feature(BaseModel):
    """A column of features as ``FeatureEngineer`` stores it."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    name: Text
    of: Literal["user", "movie"]
    strategy: Literal["zero", "mean", "median"]
    fill: Number
    mean: Number
    scale: Annotated[float, Field(gt=0, le=LARGEST)]
    low: Number | None = None
    high: Number | None = None


class _Metadata(BaseModel):
    """What ``FeatureEngineer`` stores as JSON."""

    model_config = ConfigDict(strict=True, extra="forbid")

    vocabulary: Annotated[list[Text], Field(max_length=10_000)]
    newest: Annotated[int, Field(ge=0, le=2**40)]
    features: Annotated[list[_Feature], Field(max_length=100_000)]


def check_arrays(
    config: ModelConfig, users: int, movies: int, scale: tuple[float, float], arrays: Mapping[str, NDArray[Any]]
) -> None:
    """Whether every array but the columns of a report has the shape, the type and the numbers that its model needs.

    Args:
        config: the hyperparameters of the rating model.
        users: how many users the version has learned.
        movies: how many movies.
        scale: the lowest and highest rating of the store.
        arrays: by name, such as ``rating/user_bias``.

    Raises:
        KeyError: an array is missing.
        ValueError: one is not what it has to be; the message says which.
    """
    sizes: dict[str, int] = {"users": users, "movies": movies, "movies and one": movies + 1, "users and one": users + 1}
    sizes |= _sizes(config, arrays)
    for name, array in arrays.items():
        _check_numbers(name, array)
        if not name.startswith("report/"):
            _check_shape(name, array, sizes, users, config.kind)
    _check_constants(scale, arrays)
    _check_ranker(movies, arrays)
    if isinstance(config, NeuralCFConfig):
        _check_factorization(config.factors, arrays)


def _sizes(config: ModelConfig, arrays: Mapping[str, NDArray[Any]]) -> dict[str, int]:
    """The sizes that follow from hyperparameters, and from the names of features."""
    if isinstance(config, SparkALSConfig):
        return {"factors": config.factors, "vector": 1 + config.factors}
    if isinstance(config, MatrixFactorizationConfig):
        if config.factors == AUTO or config.regularization == AUTO:
            raise ValueError("it does not say what its training chose")
        return {"factors": config.factors, "vector": 1 + config.factors}
    if not isinstance(config, NeuralCFConfig):
        raise TypeError(f"a version of {type(config).__name__} can't be checked")
    row = 1 + config.factors
    content = arrays["rating/features/metadata"].tobytes()
    found = _Metadata.model_validate(json.loads(content))
    kept = {side: [one.name for one in found.features if one.of == side] for side in ("user", "movie")}
    for names in kept.values():
        if len(set(names)) < len(names):
            raise ValueError("a feature is named twice")
    families = {side: [name.partition(":")[0] for name in names] for side, names in kept.items()}
    attributes = len(found.vocabulary) + 2
    audience = arrays.get("rating/audience/raters", np.empty((0, 0))).shape[-1]  # earlier releases have none
    width = config.networks * config.hidden[0]
    outputs = [*config.hidden[1:], 1]
    of_movie = ("genre", "year", "year_squared", "popularity", "popularity_squared")
    content_and_one = 1 + sum(family in of_movie for family in families["movie"])
    sizes = {
        "row": row,
        "half": row * (row + 1) // 2,
        "width": width,
        "networks": config.networks,
        "attributes": attributes,
        "vector": width + row + attributes,
        "movie features": len(kept["movie"]),
        "movie inputs": len(kept["movie"]) + row,
        "user inputs": len(kept["user"]) - families["user"].count("recency") + row,
        "pair inputs": config.factors + 1 + 2 + 1,
        "audience": audience,
        "content and one": content_and_one,
        "movie content": content_and_one + audience,
        "user choices": 1 + sum(family in ("chosen", "count") for family in families["user"]),
    }
    sizes |= {"taught": sizes["movie inputs"] + sizes["user inputs"]}
    sizes |= {f"inputs {place}": size + 1 for place, size in enumerate(config.hidden)}
    return sizes | {f"outputs {place}": size for place, size in enumerate(outputs)}


def _check_shape(name: str, array: NDArray[Any], sizes: dict[str, int], users: int, kind: str) -> None:
    found = [(kinds, shape) for pattern, kinds, shape in LAYOUTS[kind] if re.fullmatch(pattern, name)]
    if not found:
        raise ValueError(f"no version has an array {name}")
    ((kinds, shape),) = found
    allowed = ("f4", "f8") if kinds == "f" else (kinds,)
    if array.dtype.str.lstrip("<|") not in allowed:
        raise ValueError(f"{name} is of type {array.dtype}")
    if len(array.shape) != len(shape):
        raise ValueError(f"{name} has the shape {array.shape}")
    for size, wanted in zip(array.shape, shape, strict=True):
        if wanted == "users or none":
            fits = size in (users, 0)
        else:
            fits = size == (wanted if isinstance(wanted, int) else sizes.setdefault(wanted, size))
        if not fits:
            raise ValueError(f"{name} has the shape {array.shape}")


def _check_numbers(name: str, array: NDArray[Any]) -> None:
    """Whether floats are finite and of a size that can be learned, and counts are none below 0."""
    counts = re.fullmatch(COUNTS, name) is not None
    for part in _parts(array):
        if array.dtype.kind == "f" and not (np.isfinite(part).all() and np.abs(part).max(initial=0) <= LARGEST):
            raise ValueError(f"{name} holds what is no number, or far too large a one")
        if counts and (part < 0).any():
            raise ValueError(f"{name} holds a number below 0")


def _parts(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    flat = array.reshape(-1)
    for start in range(0, len(flat), AT_ONCE):
        yield flat[start : start + AT_ONCE]


def _check_constants(scale: tuple[float, float], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Whether the version rates on the store's scale."""
    if "rating/scale" in arrays:
        low, high, *given = arrays["rating/scale"].tolist()
        _, noise = arrays["rating/factorization/constants"].tolist()
        mean, spread, *_ = arrays["rating/features/constants"].tolist()
        if noise <= 0 or spread < 0 or not low <= mean <= high:
            raise ValueError("what it says of the mean and the noise of ratings can't be")
        if (arrays.get("rating/features/choices", np.zeros((2, 0)))[1] < 0).any():
            raise ValueError("a choice is shrunk by less than no rating")
    else:
        _, low, high, *given = arrays["rating/constants"].tolist()
    ends = [(low, high)]
    if "calibration/constants" in arrays:
        *of_intervals, level = arrays["calibration/constants"].tolist()
        ends.append((of_intervals[0], of_intervals[1]))
        if not 0 < level < 1:
            raise ValueError("the level of the intervals is no share")
        if (arrays["calibration/widths"] < 0).any():
            raise ValueError("an interval is narrower than nothing")
    if any(not np.allclose(found, scale, rtol=0, atol=1e-6) for found in ends):
        raise ValueError(f"it rates on another scale than {scale[0]:g} to {scale[1]:g}")
    lowest, highest = given or (low, high)
    if not low <= lowest <= highest <= high:
        raise ValueError("the ratings that it has learned are outside its scale")
    if (arrays.get("rating/penalties", np.zeros(0)) < 0).any():
        raise ValueError("a penalty is below 0")


def _check_ranker(movies: int, arrays: Mapping[str, NDArray[Any]]) -> None:
    size, low, high = arrays["ranker/constants"].tolist()
    ranked = arrays["ranker/movies"]
    if size != movies or low > high:
        raise ValueError("the ranker's constants are not those of this catalogue")
    if len(np.unique(ranked)) < len(ranked) or (len(ranked) and not 0 <= ranked.min() <= ranked.max() < movies):
        raise ValueError("the ranker orders a movie twice, or one that there is not")
    each, least = arrays["ranker/penalty"].tolist() if "ranker/penalty" in arrays else (0.0, 1.0)
    if each < 0 or least <= 0:
        raise ValueError("the ranker's factors have no penalty")


def _check_factorization(factors: int, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Whether what folding in solves has a solution, whoever is folded in."""
    row = 1 + factors
    first, second = np.tril_indices(row)
    noise = arrays.get("rating/factorization/user_noise", np.ones(0))
    if ((noise < 1 / MAX_NOISE) | (noise > MAX_NOISE)).any():
        raise ValueError("the ratings of a user are far too certain, or far too noisy")
    for side in ("user", "movie"):
        precision = arrays.get(f"rating/factorization/{side}_precision")
        if precision is not None and not np.linalg.eigvalsh(_symmetric(precision, side)).min() > 0:
            raise ValueError(f"the precision of a {side}'s factors is not positive")
        halves = arrays.get(f"rating/factorization/{side}_covariances", np.empty((0, len(first))))
        for start in range(0, len(halves), MATRICES_AT_ONCE):
            part = halves[start : start + MATRICES_AT_ONCE]
            whole = np.empty((len(part), row, row))
            whole[:, first, second] = whole[:, second, first] = part
            found = np.linalg.eigvalsh(whole)
            if (found[:, 0] < -INDEFINITE * np.abs(found[:, -1]) - 1e-6).any():
                raise ValueError(f"the covariance of a {side}'s factors is not one")


def _symmetric(matrix: NDArray[Any], side: str) -> NDArray[Any]:
    if not np.allclose(matrix, matrix.T, rtol=1e-4, atol=1e-6):
        raise ValueError(f"the precision of a {side}'s factors is not symmetric")
    return matrix


def check_report(users: int, movies: int, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Whether a report is about users and movies of the version, each of them, and each rating, once.

    Raises:
        ValueError: it is not.
    """
    for name in ("users", "error_users"):
        found = arrays.get(f"report/{name}")
        if found is not None and len(found):
            within = 0 <= found[0] <= found[-1] < users
            if not within or (np.diff(found.astype(np.int64)) <= 0).any():
                raise ValueError(f"the column {name} of its report does not name users in order")
    for name, size in (("row/users", users), ("row/items", movies), ("newcomer/users", users)):
        found = arrays.get(f"report/{name}")
        if found is not None and len(found) and not 0 <= found.min() <= found.max() < size:
            raise ValueError(f"the column {name} of its report names what there is not")
    if "report/row/users" in arrays:
        pairs = arrays["report/row/users"].astype(np.int64) * movies + arrays["report/row/items"]
        if len(np.unique(pairs)) < len(pairs):
            raise ValueError("its report judges a rating twice")

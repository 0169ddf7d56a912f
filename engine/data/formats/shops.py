"""Reviews of shops and places: Amazon (2014, 2018, 2023) and Yelp."""

from __future__ import annotations

from engine.data.formats.base import STARS, Head, Layout, Source

AMAZON = Source("amazon", "Amazon reviews", STARS)
YELP = Source("yelp", "Yelp", STARS)


def recognise(head: Head) -> Layout | None:
    """By the columns that only these have. The title of a review is no title of a product."""
    if head.has("reviewerid", "asin", "overall"):
        return head.ratings(AMAZON, user="reviewerid", movie="asin", rating="overall", time="unixreviewtime")
    if head.has("userid", "rating") and (head.has("parentasin") or head.has("asin")):
        return head.ratings(
            AMAZON, user="userid", movie=("parentasin", "asin"), rating="rating", time=("timestamp", "sorttimestamp")
        )
    if (head.has("parentasin") or head.has("asin")) and head.has("title"):
        return head.movies(AMAZON, movie=("parentasin", "asin"), title="title", genres=("categories", "category"))
    if head.has("businessid", "userid", "stars"):
        return head.ratings(YELP, user="userid", movie="businessid", rating="stars", time="date")
    if head.has("businessid", "name"):
        return head.movies(YELP, movie="businessid", title="name", genres="categories")
    if (
        head.has("userid", "yelpingsince")
        or head.has("businessid", "complimentcount")
        or head.names == ["businessid", "date"]
    ):
        return head.ignored(YELP, "It holds no ratings of places by people.")
    return None

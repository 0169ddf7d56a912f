"""Settings from the environment, read once at the start."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

LogFormat = Literal["text", "json"]
HIDDEN = "(hidden)"
ADDRESSES = frozenset({"webhook_url", "posters"})
"""Settings whose address may hold a secret."""
POSTER_FIELDS = ("{id}", "{imdb}", "{tmdb}")
SHORT_KEY = 16
"""Shorter keys can be guessed, and are accepted on this computer only."""


@dataclass(frozen=True, slots=True)
class SettingValue:
    """A setting to show: its variable, value, source (``environment`` or ``default``) and meaning."""

    variable: str
    value: str
    source: str
    meaning: str


class Settings(BaseSettings):
    """Environment variables with the prefix ``MARQUEE_``; ``docs/deployment.md`` lists them."""

    model_config = SettingsConfigDict(env_prefix="MARQUEE_", frozen=True, extra="ignore")

    database_url: str = Field(
        "sqlite:///var/marquee.db", description="The SQLite file, as sqlite:///relative or sqlite:////absolute."
    )
    host: str = Field("127.0.0.1", description="The address to listen on.")
    port: int = Field(8501, ge=1, le=65535, description="The port of the console and the API.")
    api_key: SecretStr | None = Field(
        None, description="When set, API and console need it: the header X-API-Key, or the sign-in page."
    )
    trusted_proxies: str = Field(
        "",
        description="Addresses and networks of proxies, separated by commas, whose X-Forwarded-For and "
        "X-Forwarded-Proto count.",
    )
    connections_per_address: int = Field(
        100, ge=8, le=100_000, description="The most connections that one address may have open; proxies are excepted."
    )
    ratings_per_second: int = Field(
        100, ge=0, le=1_000_000, description="Ratings that one key may give in a second; 0 sets no limit."
    )
    jobs_per_hour: int = Field(
        60,
        ge=0,
        le=1_000_000,
        description="Trainings, studies, imports, exports and backups that one key may order in an hour; 0 sets no "
        "limit.",
    )
    audit_days: int = Field(365, ge=1, le=36_500, description="How many days the audit log is kept.")
    answer_log_mb: int = Field(
        100,
        ge=0,
        le=1_000_000,
        description="Megabytes of the store for the lists that people were shown; the oldest go first. 0 keeps none "
        "and erases those that are there.",
    )
    demo: bool = Field(True, description="Import the demo ratings and train on them when the store is empty.")
    rating_min: float | None = Field(
        None, allow_inf_nan=False, description="The lowest rating of an empty store; unset, the first import decides."
    )
    rating_max: float | None = Field(
        None, allow_inf_nan=False, description="The highest rating of an empty store; unset, the first import decides."
    )
    personal_from: int = Field(
        10, ge=1, le=1000, description="Ratings from which a list is purely personal; below, popularity is blended in."
    )

    keep_versions: int = Field(
        10,
        ge=0,
        le=10_000,
        description="How many of the newest versions keep their arrays, beside the best, those with tags, and all "
        "that ever served; 0 keeps every one.",
    )

    shadows: int = Field(
        2,
        ge=0,
        le=10,
        description="How many of the newest versions that never served predict new ratings beside the one that serves; "
        "0 turns shadows off.",
    )
    shadow_memory: int = Field(
        512, ge=0, le=1_000_000, description="Memory of all shadow versions together, in MiB; those beyond wait."
    )
    exam_days: int = Field(400, ge=1, le=36_500, description="How many days exams are kept.")

    webhook_url: str | None = Field(
        None,
        pattern=r"^https?://\S+$",
        description="Every notice is posted there as JSON; a failing receiver is tried again and fails nothing else.",
    )

    webhook_secret: SecretStr | None = Field(
        None,
        min_length=16,
        description="Signs the posts to the webhook (HMAC with SHA-256), so that they can be trusted.",
    )
    webhook_private: bool = Field(
        False,
        description="Whether the name in MARQUEE_WEBHOOK_URL may lead to an address that is not public; one that is "
        "written as an address, such as http://127.0.0.1:9000/hook, may in any case.",
    )

    spark_master: str = Field(
        "local[*]",
        pattern=r"^\S+$",
        description="The Apache Spark on which `als` is trained: local[*], spark://host:7077, yarn, or k8s://host.",
    )
    spark_path: str = Field(
        "",
        description="A folder that every worker of Spark can write, for ratings and factors while a job runs: a path "
        "or, such as hdfs://host/marquee, any file system that Spark and PyArrow know; unset, it is beside the store.",
    )
    spark_submit: str = Field(
        "",
        description="The command that submits jobs, with any options, such as /opt/spark/bin/spark-submit "
        "--driver-memory 8g; unset, that of `make spark`, or else the one on the PATH.",
    )

    spark_ratings: str = Field(
        "",
        description="A Parquet table of ratings outside the store from which `als` can learn: a file, a folder or any "
        "file system of Spark, with the columns user, movie, rating and perhaps time.",
    )

    posters: str = Field(
        "",
        description="Pictures of movies: a folder with files named after ids, such as 318.jpg or tt0111161.png, or a "
        "URL with {id}, {imdb} or {tmdb}; unset, pictures are drawn.",
    )

    log_format: LogFormat = Field("text", description="Lines of the log: text, or json, one object a line.")

    @model_validator(mode="after")
    def _scale_is_ordered(self) -> Settings:
        low, high = self.rating_min, self.rating_max  # one alone may fit the other that a store keeps
        if low is not None and high is not None and not low < high:
            raise ValueError(f"MARQUEE_RATING_MIN ({low}) must be below MARQUEE_RATING_MAX ({high}).")
        return self

    @field_validator("posters")
    @classmethod
    def _leads_to_pictures(cls, value: str) -> str:
        if "://" not in value:
            if value and not Path(value).is_dir():
                raise ValueError(f"{value} is no folder, and no URL with {{id}}, {{imdb}} or {{tmdb}}.")
            return value
        if not re.match(r"https?://\S+$", value):
            raise ValueError("A URL of pictures begins with http:// or https:// and has no spaces.")
        named = re.findall(r"\{.*?\}", value)
        if not named:
            raise ValueError(
                "A URL of pictures has none of {id}, {imdb} and {tmdb}, so all movies would look the same."
            )
        for name in named:
            if name not in POSTER_FIELDS:
                raise ValueError(f"A URL of pictures takes {', '.join(POSTER_FIELDS)}, but not {name}.")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        for one in filter(None, map(str.strip, value.split(","))):
            ip_network(one)  # its ValueError says what is wrong
        return value

    def listed(self) -> list[SettingValue]:
        """Every setting as people may see it: secrets are hidden, and of addresses what may hold one."""
        return [
            SettingValue(
                f"MARQUEE_{name.upper()}",
                _shown(name, getattr(self, name)),
                "environment" if name in self.model_fields_set else "default",
                field.description or "",
            )
            for name, field in type(self).model_fields.items()
        ]

    @property
    def proxies(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The networks of the trusted proxies."""
        return tuple(ip_network(one) for one in filter(None, map(str.strip, self.trusted_proxies.split(","))))

    @property
    def key(self) -> str | None:
        """The API key; None where none is set (an empty variable sets none)."""
        key = self.api_key.get_secret_value().strip() if self.api_key else ""
        return key or None

    @property
    def secret(self) -> str | None:
        """The secret that signs posts to the webhook; None signs none."""
        return self.webhook_secret.get_secret_value() if self.webhook_secret else None


def _shown(name: str, value: Any) -> str:
    if value is None or value == "":
        return "not set"
    if isinstance(value, SecretStr):
        return HIDDEN
    if name in ADDRESSES and "://" in value:  # chat services put their secret into the path
        parts = urlsplit(value)
        return f"{parts.scheme}://{parts.hostname}/{HIDDEN}"
    return str(value).lower() if isinstance(value, bool) else str(value)

"""Columns whose text is the value of an enum."""

from enum import StrEnum
from typing import Any

from sqlalchemy import Text, TypeDecorator


class EnumText(TypeDecorator[StrEnum]):
    """Text that is read as a member of an enum.

    Args:
        kind: the enum.
    """

    impl = Text
    cache_ok = True

    def __init__(self, kind: type[StrEnum]) -> None:
        super().__init__()
        self.kind = kind

    def process_result_value(self, value: Any, _: Any) -> StrEnum | None:
        """The member of that value; None for NULL."""
        return None if value is None else self.kind(value)

"""What rows are read and written by: pydantic's type adapters, each made when the first row of its kind comes.

Making one takes milliseconds. A store has one for every kind of row it knows, and one invocation meets a few.
"""

from functools import cached_property
from typing import Any, Generic, TypeVar, overload

from pydantic import TypeAdapter

T = TypeVar("T")


class RowType(Generic[T]):
    """One kind of row, by the type it is read as."""

    @overload
    def __init__(self, kind: type[T]) -> None: ...
    @overload
    def __init__(self, kind: Any) -> None: ...
    def __init__(self, kind: Any) -> None:
        self._kind = kind

    @cached_property
    def adapter(self) -> TypeAdapter[T]:
        """Pydantic's adapter of the type."""
        return TypeAdapter(self._kind)

    def read(self, data: Any) -> T:
        """Return what is of the type; raise `ValidationError`, which is pydantic's."""
        return self.adapter.validate_python(data)

    def write(self, value: T) -> Any:
        """Return a domain object as JSON that loses no digit."""
        return self.adapter.dump_python(value, mode="json")

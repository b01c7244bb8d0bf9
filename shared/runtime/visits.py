"""A request as the door sees it, and what it leaves in the trail; without what only the API has installed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from shared.domain.people import PersonRole
    from shared.domain.quotas import Quota

_MUTATING: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A signed-in person; `token` is what the database is asked with, so that row security applies."""

    user_id: str
    token: str = field(repr=False)


class KnownRoute(NamedTuple):
    """A route of the application."""

    template: str
    pattern: re.Pattern[str]
    methods: frozenset[str]
    reads: bool


@dataclass(slots=True, kw_only=True)
class Visit:
    """One request as the door sees it; who sends it is filled in as it is proved."""

    method: str
    path: str
    address: str
    authorization: str | None
    route: KnownRoute | None = None
    named: Mapping[str, str] = field(default_factory=dict)
    user: User | None = None
    is_machine: bool = False
    role: PersonRole | None = None
    quota: Quota | None = None

    @property
    def changes(self) -> bool:
        """Tell whether the request asks for a change."""
        return self.method in _MUTATING and not (self.route is not None and self.route.reads)


def recognise(visit: Visit, routes: Sequence[KnownRoute]) -> None:
    """Fill in which route a request is for, and what its path names."""
    for route in routes:
        if visit.method in route.methods and (found := route.pattern.match(visit.path)):
            visit.route, visit.named = route, found.groupdict()
            return

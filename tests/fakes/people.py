"""People in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from shared.domain.errors import ConflictError, ForbiddenError, InvalidMessageError, NotFoundError
from shared.domain.people import Person, PersonRole, PersonStanding, Tier, Used
from tests.fakes.stores import MemoryDatabase


@dataclass(slots=True)
class MemoryProfiles:
    """People in memory."""

    database: MemoryDatabase = field(default_factory=MemoryDatabase)

    def role(self, user_id: str) -> PersonRole:
        """Return what a person may do; somebody without a profile is a trader."""
        return self.database.people.role(user_id)

    def tier(self, user_id: str) -> Tier:
        """Return how much of the desk a person has; somebody without a profile is anonymous."""
        return self.database.people.limits(user_id)

    def standing(self, user_id: str) -> PersonStanding:
        """Return what a person may do, how much of it, and what of that is used."""
        traders = [each for each in self.database.traders.values() if each.owner_id == user_id and each.enabled]
        books = [each for each in self.database.trading.books.values() if each.owner_id == user_id]
        told = [row.channel for row in self.database.telling.channels.values() if row.channel.owner_id == user_id]
        used = Used(
            traders=len(traders),
            traders_beyond=len([each for each in traders if each.beyond_tier]),
            books=len(books),
            channels=len(told),
            notifications=0,
        )
        return PersonStanding(role=self.role(user_id), tier=self.tier(user_id), used=used)

    def list(self, *, limit: int, after: str | None = None) -> Sequence[Person]:
        """Return people by id, those after one."""
        known = sorted(self.database.people.people.items())
        return [person for user_id, person in known if after is None or user_id > after][:limit]

    def change(self, user_id: str, *, actor: str, role: PersonRole | None = None, tier: str | None = None) -> Person:
        """Give somebody a role, a tier or both, and return them as stored."""
        tables = self.database.people
        if _is_person(actor) and tables.role(actor) is not PersonRole.ADMIN:
            raise ForbiddenError("only admins change roles and tiers")
        if tier is not None and tier not in tables.tiers:
            raise InvalidMessageError("tier", f"expected one of {', '.join(sorted(tables.tiers))}, got {tier}")
        known = tables.people.get(user_id)
        if known is None:
            raise NotFoundError(f"no person {user_id!r}")
        changed = replace(known, role=role or known.role, tier=tier or known.tier)
        admins = {each.user_id for each in tables.people.values() if each.role is PersonRole.ADMIN}
        if known.role is PersonRole.ADMIN is not changed.role and admins == {user_id}:
            raise ConflictError(f"person {user_id} is the last admin, and stays one")
        tables.people[user_id] = changed
        self.database.fit_traders(user_id)
        return changed


def _is_person(actor: str) -> bool:
    return len(actor) == 36 and actor.count("-") == 4

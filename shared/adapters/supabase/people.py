"""People in Supabase: what they may do, and how much of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from postgrest import SyncPostgrestClient

from shared.adapters.row_type import RowType
from shared.adapters.supabase.client import call, repeatable, rows
from shared.adapters.supabase.trading_rows import read
from shared.domain.people import Person, PersonRole, PersonStanding, Tier

_PERSON: Final = RowType(Person)
_PEOPLE: Final = RowType(list[Person])
_TIER: Final = RowType(Tier)
_STANDING: Final = RowType(PersonStanding)


@dataclass(frozen=True, slots=True)
class SupabaseProfiles:
    """People as rows of `profiles`, their limits as rows of `tiers`."""

    client: SyncPostgrestClient

    def role(self, user_id: str) -> PersonRole:
        """Return what a person may do; somebody without a profile is a trader."""
        found = rows(repeatable(self.client.from_("profiles").select("role").eq("user_id", user_id)))
        return PersonRole(found[0]["role"]) if found else PersonRole.TRADER

    def tier(self, user_id: str) -> Tier:
        """Return how much of the desk a person has; somebody without a profile is anonymous."""
        return read(_TIER, call(self.client, "person_tier", {"p_person": user_id}), "no tiers")

    def standing(self, user_id: str) -> PersonStanding:
        """Return what a person may do, how much of it, and what of that is used."""
        return read(_STANDING, call(self.client, "standing_of", {"p_person": user_id}), "no tiers")

    def list(self, *, limit: int, after: str | None = None) -> Sequence[Person]:
        """Return people by id, those after one."""
        return read(_PEOPLE, call(self.client, "list_people", {"p_limit": limit, "p_after": after}), "nobody")

    def change(self, user_id: str, *, actor: str, role: PersonRole | None = None, tier: str | None = None) -> Person:
        """Give somebody a role, a tier or both, and return them as stored."""
        values = {"p_user": user_id, "p_role": role and role.value, "p_tier": tier, "p_actor": actor}
        return read(_PERSON, call(self.client, "set_person", values), f"no person {user_id!r}")

"""What the desk tells of itself, in Supabase: sql/0045."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Final

from postgrest import SyncPostgrestClient

from shared.adapters.row_type import RowType
from shared.adapters.supabase.client import call
from shared.adapters.supabase.trading_rows import read
from shared.domain.status import DeskStatus, Pulse, Schema

_PULSE: Final = RowType(Pulse)
_STATUS: Final = RowType(DeskStatus)


@dataclass(frozen=True, slots=True)
class SupabaseStatusReads:
    """Each is one SQL function that reads and changes nothing."""

    client: SyncPostgrestClient

    def pulse(self) -> Pulse:
        """Return what /health looks at."""
        return read(_PULSE, call(self.client, "read_pulse", {}), "no pulse")

    def status(self, *, limit: int) -> DeskStatus:
        """Return what operators look at; lists have up to `limit` entries."""
        return read(_STATUS, call(self.client, "read_status", {"p_limit": limit}), "no status")

    def schema(self) -> Schema:
        """Return which of sql/ is applied."""
        found: dict[str, Any] = call(self.client, "read_schema", {})
        functions: defaultdict[str, set[str]] = defaultdict(set)
        for name, digest in found["functions"]:
            functions[name].add(digest)
        return Schema(
            now_ms=found["now_ms"],
            version=found["version"],
            files=found["files"],
            functions={name: frozenset(digests) for name, digests in functions.items()},
            columns=frozenset(found["columns"]),
        )

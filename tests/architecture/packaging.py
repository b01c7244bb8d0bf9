"""What `osls` makes of `serverless.yml`, for whoever looks at it or deploys it."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from desk.local.process import PROJECT, clean_env
from desk.local.supabase_lite import node_binary
from desk.packaging.archive import write_archive
from desk.packaging.build import artifacts, copy_code

VARIABLES: Final = {
    "SUPABASE_URL": "https://supabase.example",
    "SUPABASE_KEY": "of-the-deployer-1",
    "SUPABASE_SERVICE_ROLE_KEY": "of-the-deployer-2",
    "SUPABASE_JWT_SECRET": "of-the-deployer-3",
    "UPSTASH_REDIS_REST_URL": "https://upstash.example",
    "UPSTASH_REDIS_REST_TOKEN": "of-the-deployer-4",
    "TRIGGER_SECRET": "of-the-deployer-5",
    "SERVICE_SECRET": "of-the-deployer-6",
}
"""What whoever deploys the desk sets; the local desk is given its secrets in the same way."""

OPEN: Final = ("SUPABASE_URL", "UPSTASH_REDIS_REST_URL")
"""Those of them that are no secrets: all that osls may be given."""


def project_in(folder: Path) -> Path:
    """Copy what osls deploys, and nothing beside it: the artifacts have the desk's code, and none of what it needs."""
    shutil.copy(PROJECT / "serverless.yml", folder)
    copy_code(folder / "code")
    for artifact in set(artifacts().values()):
        write_archive(folder / "code", folder / artifact)
    shutil.rmtree(folder / "code")
    return folder


def osls(command: str, folder: Path, env: Mapping[str, str]) -> str:
    """Run a command of osls on a copy of the project and return what it said; it must succeed without a warning."""
    program = PROJECT / "node_modules" / "osls" / "bin" / "serverless.js"
    assert program.exists(), "run `make setup`, which installs osls with npm"
    done = subprocess.run(
        [str(node_binary()), str(program), command],
        cwd=folder,
        env=clean_env({name: VARIABLES[name] for name in OPEN} | _caches() | dict(env)),
        capture_output=True,
        text=True,
        check=False,
    )
    output: str = done.stdout + done.stderr
    assert done.returncode == 0, output
    assert "Warning" not in output, output
    return output


def _caches() -> dict[str, str]:
    """Let node and osls keep what they compile: the second package takes a third of the time of the first."""
    cache = PROJECT / "node_modules" / ".cache"
    return {"SLS_SCHEMA_CACHE_BASE_DIR": str(cache), "NODE_COMPILE_CACHE": str(cache / "node")}

"""The package of the desk, made once."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.packaging import osls, project_in


@pytest.fixture(scope="session")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `osls package` leaves what it makes of the file; beside the artifacts, which are all it should need."""
    folder = project_in(tmp_path_factory.mktemp("package"))
    osls("package", folder, {})
    return folder / ".serverless"


@pytest.fixture(scope="session")
def template(packaged: Path) -> dict[str, Any]:
    """The stack that would be deployed."""
    made: dict[str, Any] = json.loads((packaged / "cloudformation-template-update-stack.json").read_text())
    return made

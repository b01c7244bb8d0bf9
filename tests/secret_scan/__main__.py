"""Fail when a tracked file has something that looks like a secret; `--write-baseline` when it is none."""

import sys
from pathlib import Path

from tests.secret_scan.scan import BASELINE, unknown, write_baseline


def main(arguments: list[str]) -> int:
    """Return the exit code."""
    root = Path.cwd()
    if arguments == ["--write-baseline"]:
        sys.stdout.write(f"{BASELINE}: {write_baseline(root)} findings that are no secrets, as you have made sure\n")
        return 0
    found = unknown(root)
    for each in found:
        sys.stderr.write(f"{each.path}:{each.line}: {each.kind}\n")
    if found:
        sys.stderr.write(
            f"{len(found)} lines look like secrets. Take them out and replace the keys; for what is none, "
            f"`python -m tests.secret_scan --write-baseline`.\n"
        )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

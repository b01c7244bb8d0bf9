"""Run storms and print what happened: `python -m tests.storm [INTENTS [SEED]]`, 10,000 intents by default."""

import json
import sys
import time
from dataclasses import fields

from tests.storm.storm import Figures, Storm

WISHES = 100


def main(intents: int = 10_000, seed: int = 1) -> int:
    """Run as many storms as it takes; return how many found something that must not be, each named by its seed."""
    began, figures = time.monotonic(), Figures()
    for number in range(seed, seed + -(-intents // WISHES)):
        storm = Storm(number, wishes=WISHES)
        try:
            figures.add(storm.run())
        except AssertionError as violation:
            figures.violations += 1
            sys.stderr.write(f"storm {number}, event {storm.figures.events}: {violation}\n")
    told = {each.name: getattr(figures, each.name) for each in fields(figures)}
    told |= {"most_leverage": f"{figures.most_leverage:.6f}", "took_s": round(time.monotonic() - began)}
    sys.stdout.write(json.dumps(told, indent=2) + "\n")
    return figures.violations


if __name__ == "__main__":
    raise SystemExit(main(*map(int, sys.argv[1:])))

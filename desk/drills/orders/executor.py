"""An executor as a process of its own: `python -m desk.drills.orders.executor INTENT…`, its place in the environment.

It leaves `NAME.ready` in the drill's folder, waits there for `go`, then works the intents. With EXECUTOR_DEATH it is
killed around its first order.
"""

import os
import sys
import time
from pathlib import Path
from typing import Final

from desk.drills.orders.parts import Death, Parts, Place
from shared.domain.errors import NightdeskError
from shared.trading_messages import IntentDecided
from shared.usecases.execution_agent import execution_agent

_PATIENCE_S: Final = 30.0


def main(intent_ids: list[str]) -> int:
    """Work the intents; return 1 when nobody said go."""
    death, name = os.environ.get("EXECUTOR_DEATH"), os.environ["EXECUTOR_NAME"]
    parts = Parts(Place.from_env(), death=None if death is None else Death(death))
    home = Path(parts.place.home)
    parts.exchange.instruments()
    (home / f"{name}.ready").touch()
    deadline = time.monotonic() + _PATIENCE_S
    while not (home / "go").exists():
        if time.monotonic() > deadline:
            return 1
        time.sleep(0.002)
    for intent_id in intent_ids:
        try:
            result = execution_agent(
                IntentDecided(intent_id=intent_id, correlation_id=intent_id.replace("-", "")), desk=parts.execution
            )
            sys.stdout.write(result.model_dump_json() + "\n")
        except NightdeskError as error:  # the queue would deliver it again; here the sweep goes on
            sys.stdout.write(f"{intent_id}: {type(error).__name__}: {error}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

"""Run the simulator as a process of its own: `python -m desk.simulator --tape FILE.json [--port P] [--clock-file F]`.

Prints one JSON line, `{"url": …}`, once it answers; ends on SIGINT or SIGTERM.
"""

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path

from desk.simulator.faults import DEFAULT_SEED, Faults
from desk.simulator.server import Simulator
from desk.simulator.spec import build_tape, read_spec
from shared.adapters.clock import SystemClock, TapeClock
from shared.domain.errors import NightdeskError


def main() -> int:
    """Run until stopped; return 1 after a message on stderr when it cannot start."""
    arguments = _arguments()
    try:
        asyncio.run(_serve(arguments))
    except NightdeskError as error:
        sys.stderr.write(f"simulator: {error}\n")
        return 1
    except FileNotFoundError as error:
        sys.stderr.write(f"simulator: {error.filename} does not exist\n")
        return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m desk.simulator", description="Replay a tape as a venue.")
    parser.add_argument("--tape", type=Path, required=True, help="what to replay: a JSON specification")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--clock-file", type=Path, help="follow this tape clock; without it, the machine's clock")
    parser.add_argument("--forming-ms", type=int, default=2_000, help="tape time between forming frames")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="what faults hit is drawn from this")
    parser.add_argument(
        "--weight-scale", type=float, default=1.0, help="what a request weighs, relative to the venue's"
    )
    parser.add_argument("--forming-pause-s", type=float, default=0.5, help="least real time between forming frames")
    return parser.parse_args()


async def _serve(arguments: argparse.Namespace) -> None:
    clock = TapeClock(arguments.clock_file) if arguments.clock_file else SystemClock()
    simulator = Simulator(
        build_tape(read_spec(arguments.tape)),
        clock,
        forming_ms=arguments.forming_ms,
        forming_pause_s=arguments.forming_pause_s,
        weight_scale=arguments.weight_scale,
        faults=Faults(seed=arguments.seed),
    )
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with simulator.serve(host=arguments.host, port=arguments.port) as url:
        sys.stdout.write(json.dumps({"url": url}) + "\n")
        sys.stdout.flush()
        await stopped.wait()


if __name__ == "__main__":
    sys.exit(main())

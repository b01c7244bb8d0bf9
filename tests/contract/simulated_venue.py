"""The simulated venue on a thread of its own, for the desk's clients that wait for their answers."""

import asyncio
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import httpx

from desk.simulator.server import Simulator
from desk.simulator.spec import SyntheticSpec, build_tape
from tests.fakes.clock import ManualClock

KEY, SECRET = "a-key", "a-secret"
TAPE = build_tape(SyntheticSpec(symbols=4, history_bars=120, live_bars=600))


class SimulatedVenue:
    """A running venue whose clock is moved by hand; `url` is where it answers."""

    def __init__(self) -> None:
        self.clock = ManualClock(TAPE.live_from + 10_000)
        self.simulator = Simulator(TAPE, self.clock, forming_pause_s=3_600.0)
        self.url = ""
        self._ready, self._loop = threading.Event(), asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(20)
        self.http = httpx.Client(base_url=self.url, timeout=20)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.http.close()
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)
        self._loop.close()

    def open_account(self, key: str = KEY, **spec: Any) -> dict[str, Any]:
        """Open an account, or empty the one there is."""
        answer = self.http.put(f"/_accounts/{key}", json={"secret": SECRET} | spec)
        assert answer.status_code == 200, answer.text
        return self.account(key)

    def account(self, key: str = KEY) -> dict[str, Any]:
        """Return everything the venue knows of an account."""
        found: dict[str, Any] = self.http.get(f"/_accounts/{key}").json()
        return found

    def foreign_order(self, **values: str) -> dict[str, Any]:
        """Place an order as somebody else would who has the key."""
        answer = self.http.post(f"/_accounts/{KEY}/orders", data=values)
        assert answer.status_code == 200, answer.text
        placed: dict[str, Any] = answer.json()
        return placed

    def fault(self, kind: str, **parameters: float) -> None:
        """Switch a fault on."""
        answer = self.http.post("/_faults", json={"kind": kind} | parameters)
        assert answer.status_code == 200, answer.text

    def faults_off(self) -> Mapping[str, int]:
        """Switch all faults off; return how often each has struck."""
        hits: dict[str, int] = self.http.delete("/_faults").json()["hits"]
        return hits

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        async with self.simulator.serve() as self.url:
            self._ready.set()
            await self._stop.wait()

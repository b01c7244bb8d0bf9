"""What is counted outlives a run that failed: a counter never goes back while the process lives."""

from contextlib import suppress
from pathlib import Path

from collector.__main__ import Service
from collector.config import Settings
from collector.health import Report
from desk.local.redis import LocalRedis
from shared.domain.errors import TransientError
from shared.runtime.telemetry import start_logging

NOWHERE = "127.0.0.1:1"


class OneRun:
    """A run that has counted something."""

    def __init__(self, settings: Settings, counts: dict[str, int]) -> None:
        self._settings = settings
        self._counts = counts

    def report(self) -> Report:
        """Return what it counted."""
        return Report(venue="binance", timeframes=self._settings.collector_timeframes, counts=self._counts)


async def fail(service: Service) -> None:
    """Run once against a venue that is not there."""
    with suppress(TransientError, ExceptionGroup):
        await service._run()
        raise AssertionError("there is no venue")


async def test_counts_outlive_runs(tmp_path: Path) -> None:
    with LocalRedis(log_dir=tmp_path, embedded=True) as redis:
        await run_twice(redis.url)


async def run_twice(redis_url: str) -> None:
    settings = Settings.from_env(
        {
            "VENUE_REST_URL": f"http://{NOWHERE}",
            "UPSTASH_REDIS_URL": redis_url,
            "TRIGGER_URL": f"http://{NOWHERE}",
            "TRIGGER_SECRET": "a secret",
        }
    )
    service = Service(settings, start_logging("test"))
    await fail(service)
    assert service._report().counts == {"runs": 1}
    service._collector = OneRun(settings, {"frames": 5, "closed": 2})  # type: ignore[assignment]
    assert service._report().counts == {"runs": 1, "frames": 5, "closed": 2}
    await fail(service)
    assert service._report().counts == {"runs": 2, "frames": 5, "closed": 2}
    assert b'nightdesk_collector_frames_total{venue="binance"} 5.0' in service._metrics.text()

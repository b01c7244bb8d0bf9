"""What is counted outlives a run that failed: a counter never goes back while the process lives."""

from collector.__main__ import Service
from collector.config import Settings
from collector.health import Report
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
    try:
        await service._run()
    except TransientError:
        return
    raise AssertionError("there is no venue")


async def test_counts_outlive_runs() -> None:
    settings = Settings.from_env(
        {
            "VENUE_REST_URL": f"http://{NOWHERE}",
            "UPSTASH_REDIS_URL": f"redis://{NOWHERE}",
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

"""What telling of the desk takes, as lazily as the rest."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from shared.runtime.monitoring import Monitoring

if TYPE_CHECKING:
    from shared.status_ports import QueueDepths, StatusReads, UsageReads
    from shared.usecases.health import HealthCheck
    from shared.usecases.metrics import MetricsDesk

_QUEUE_URL = "_queue_url"


class Telling(Monitoring):
    """The part of what is outside the process that the desk tells of itself with."""

    @cached_property
    def status_reads(self) -> StatusReads:
        """The database as the desk tells of it."""
        from shared.adapters.supabase.status import SupabaseStatusReads

        return SupabaseStatusReads(self.database)

    @cached_property
    def queue_depths(self) -> QueueDepths:
        """Every queue this function is told of, by the name of its setting."""
        from shared.adapters.sqs_depths import SqsDepths

        named = {name.removesuffix(_QUEUE_URL): name for name in type(self.settings).model_fields if _QUEUE_URL in name}
        urls = {queue: getattr(self.settings, name) for queue, name in named.items() if queue != "dead_letter"}
        return SqsDepths({queue: url for queue, url in urls.items() if url})

    @cached_property
    def redis_usage(self) -> UsageReads:
        """What Redis was used for, as far as the collectors have counted it."""
        from shared.adapters.redis_usage import RestUsageReads

        return RestUsageReads(self.redis)

    @cached_property
    def health_check(self) -> HealthCheck:
        """The desk's health as this process sees it."""
        from shared.usecases.health import HealthCheck

        return HealthCheck(
            status=self.status_reads,
            monitor=self.monitor_runs,
            candles=self.candle_log,
            usage=self.redis_usage,
            clock=self.clock,
            wall_clock=self.wall_clock,
        )

    @cached_property
    def metrics_desk(self) -> MetricsDesk:
        """What telling everything takes."""
        from shared.usecases.metrics import MetricsDesk

        return MetricsDesk(
            status=self.status_reads,
            monitor=self.monitor_runs,
            queues=self.queue_depths,
            usage=self.redis_usage,
            candles=self.candle_log,
            tickers=self.ticker_board,
            clock=self.clock,
            wall_clock=self.wall_clock,
            is_real_time=self.settings.clock_file is None,
        )

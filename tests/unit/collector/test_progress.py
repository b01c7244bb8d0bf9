"""How far the backfill is, as a person sees it."""

import io

from aws_lambda_powertools import Logger

from collector.progress import WIDTH, Progress

LOG = Logger(service="progress-test", level="CRITICAL")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def bars(self) -> list[str]:
        return self.getvalue().split("\r")[1:]


def test_a_bar_grows_and_ends_with_the_last_series() -> None:
    screen = Terminal()
    progress = Progress(2, log=LOG, screen=screen)
    progress.advance()
    progress.advance()
    half = WIDTH // 2
    assert screen.bars() == [
        f"backfill {'█' * half}{'░' * half} 1/2 series",
        f"backfill {'█' * WIDTH} 2/2 series\n",
    ]


def test_nobody_waits_for_what_is_left_out() -> None:
    screen = Terminal()
    progress = Progress(3, log=LOG, screen=screen)
    progress.advance()
    progress.leave_out(0)
    progress.leave_out(2)
    assert (progress.done, progress.total) == (1, 1)
    assert screen.bars()[1:] == [f"backfill {'█' * WIDTH} 1/1 series\n"]


def test_a_bar_may_end_without_a_series() -> None:
    screen = Terminal()
    Progress(1, log=LOG, screen=screen).leave_out(1)
    assert screen.bars() == [f"backfill {'█' * WIDTH} 0/0 series\n"]


def test_nothing_is_drawn_where_nobody_watches() -> None:
    screen = io.StringIO()
    progress = Progress(2, log=LOG, screen=screen)
    progress.advance()
    progress.leave_out(1)
    assert screen.getvalue() == ""
    assert (progress.done, progress.total) == (1, 1)

"""Ask several things at once, and wait for none of them longer than there is time."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Generic, TypeVar

from shared.domain.errors import NightdeskError, TransientError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
K = TypeVar("K")


class SlowError(TransientError):
    """Say that an answer did not come in time; it may come yet, to nobody."""


@dataclass(frozen=True, slots=True)
class Answer(Generic[T_co]):
    """What one question came to: a value, or why there is none."""

    value: T_co | None = None
    error: NightdeskError | None = None


def ask_all(questions: Mapping[K, Callable[[], T]], *, within_s: float) -> dict[K, Answer[T]]:
    """Return what each question came to after `within_s` seconds at most; raise what the desk did not raise on purpose.

    A question that is still under way then is left to its adapter's own time limit, and answers nobody.
    """
    if not questions:
        return {}
    pool = ThreadPoolExecutor(len(questions), thread_name_prefix="ask")
    try:
        asked = {key: pool.submit(question) for key, question in questions.items()}
        done, _ = wait(asked.values(), timeout=max(within_s, 0))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    answers: dict[K, Answer[T]] = {}
    for key, future in asked.items():
        if future not in done:
            answers[key] = Answer(error=SlowError(f"no answer within {within_s:.1f} s"))
        elif (error := future.exception()) is None:
            answers[key] = Answer(future.result())
        elif isinstance(error, NightdeskError):
            answers[key] = Answer(error=error)
        else:
            raise error
    return answers

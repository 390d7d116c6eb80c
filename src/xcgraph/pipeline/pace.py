"""How long the rest of a run takes, told from the epochs so far."""

import re
import time
from collections import defaultdict
from collections.abc import Callable, Mapping


class Pace:
    """Estimates the time left in a run's trainings.

    An epoch that is to come takes as long as the mean of those before it of the same kind of stage, such as
    the rankers of all trees, or if there are none, of all. What comes before a training, such as its clusters
    and beams, is taken as the mean of the time outside of epochs. Scoring at the end is not counted.

    Args:
        epochs: by name, how many each training of the run takes.
        clock: tells the time in seconds.
    """

    def __init__(self, epochs: Mapping[str, int], clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = clock()
        self._total = dict(epochs)
        self._left: dict[str, float] = {stage: float(count) for stage, count in epochs.items()}
        self._begun: set[str] = set()
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._epochs: defaultdict[str, float] = defaultdict(float)
        self._mark: tuple[str, float, float] | None = None

    def advance(self, stage: str, epochs: float) -> None:
        """Note how many epochs of a stage are done by now, whichever run did them."""
        now = self._clock()
        if self._mark is not None and self._mark[0] == stage:
            self._seconds[_kind(stage)] += now - self._mark[2]
            self._epochs[_kind(stage)] += epochs - self._mark[1]
        self._mark = (stage, epochs, now)
        self._begun.add(stage)
        if stage in self._left:
            self._left[stage] = max(self._total[stage] - epochs, 0.0)

    def finish(self, stage: str) -> None:
        """Note that a stage is done, or was taken from the store."""
        self._left.pop(stage, None)
        self._mark = None

    def seconds_left(self) -> float | None:
        """Return the estimate, or None before there is anything to tell it from."""
        trained, done = sum(self._seconds.values()), sum(self._epochs.values())
        if done <= 0 or not self._left:
            return None
        aside = max(self._clock() - self._started - trained, 0.0) / len(self._begun)
        return sum(
            left * self._seconds_per_epoch(stage, trained / done) + (0.0 if stage in self._begun else aside)
            for stage, left in self._left.items()
        )

    def _seconds_per_epoch(self, stage: str, mean: float) -> float:
        kind = _kind(stage)
        return self._seconds[kind] / self._epochs[kind] if self._epochs[kind] > 0 else mean


def _kind(stage: str) -> str:
    return re.sub(r"\d+", "*", stage)


def in_words(seconds: float) -> str:
    """Round a time for people: ``40 s``, ``12 min``, ``2.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"

"""The losses of an epoch, read from the device now and then."""

import math
import time
from collections.abc import Callable
from typing import Any

# To read a loss is to wait for its step. A GPU that is asked after each stands still
# while the next is handed to it.
SECONDS_BETWEEN_READINGS = 1.0


class RunningLosses:
    """Sums the losses of the steps of an epoch.

    Args:
        where: says where in a run a step lies, for errors.
        seconds: between two readings; 0 reads after each step.
    """

    def __init__(
        self,
        where: Callable[[int], str],
        seconds: float = SECONDS_BETWEEN_READINGS,
    ) -> None:
        self._where = where
        self._seconds = seconds
        self._last = time.monotonic()
        self._unread: list[tuple[int, dict[str, Any]]] = []
        self._sums: dict[str, float] = {}
        self._steps = 0

    def add(self, step: int, losses: dict[str, Any]) -> None:
        """Takes the losses of a step: scalars, which may still be on the device.

        Raises:
            FloatingPointError: if the loss of this or a step before is not finite.
        """
        self._unread.append((step, losses))
        if time.monotonic() - self._last >= self._seconds:
            self._read()
            self._last = time.monotonic()

    def _read(self) -> None:
        unread, self._unread = self._unread, []
        for step, losses in unread:
            values = {name: float(value) for name, value in losses.items()}
            if not math.isfinite(values["loss"]):
                raise FloatingPointError(
                    f"The loss is {values['loss']} {self._where(step)} "
                    f"The losses: {values}."
                )
            for name, value in values.items():
                self._sums[name] = self._sums.get(name, 0.0) + value
            self._steps += 1

    @property
    def loss(self) -> float | None:
        """The mean loss of the steps that were read; None before the first."""
        return self._sums["loss"] / self._steps if self._steps else None

    def means(self) -> dict[str, float]:
        """Reads the rest, and returns the mean of each loss.

        Raises:
            FloatingPointError: if the loss of a step is not finite.
        """
        self._read()
        return {name: value / self._steps for name, value in self._sums.items()}

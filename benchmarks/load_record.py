"""What happened to a server under load, for `benchmarks.load`."""

import collections
import dataclasses
import statistics

import numpy as np


@dataclasses.dataclass
class Record:
    """What happened under load.

    Attributes:
        seconds: from the first request to the last answer.
        answers: (kind of request, kind of answer, whether it is right) -> number.
        latencies: seconds of each request that was answered with masks.
        photos: masks that came back, or errors of broken photos.
        memory: (seconds, bytes) of the server, in the order of time; may be empty.
    """

    seconds: float = 0.0
    answers: collections.Counter = dataclasses.field(
        default_factory=collections.Counter
    )
    latencies: list[float] = dataclasses.field(default_factory=list)
    photos: int = 0
    memory: list[tuple[float, int]] = dataclasses.field(default_factory=list)

    @property
    def wrong(self) -> int:
        """Number of answers that are not the right ones."""
        return sum(n for (*_, right), n in self.answers.items() if not right)

    def memory_at(self, share: float) -> float:
        """Returns the median bytes in a tenth of the time around a share of it."""
        end = self.memory[-1][0]
        middle, reach = end * min(max(share, 0.05), 0.95), end * 0.05
        # At least the nearest: a busy machine may leave gaps.
        reach = max(reach, min(abs(at - middle) for at, _ in self.memory))
        return statistics.median(
            size for at, size in self.memory if abs(at - middle) <= reach
        )

    @property
    def growth(self) -> float:
        """Share by which the memory at the end is over that of the first quarter."""
        return self.memory_at(1.0) / self.memory_at(0.25) - 1.0


def describe(record: Record) -> str:
    """Formats what happened, for people."""
    lines = [f"{'request':<16}{'answer':<22}{'number':>8}"]
    for (kind, answer, right), number in sorted(record.answers.items()):
        lines.append(f"{kind:<16}{answer:<22}{number:8d}{'' if right else '  WRONG'}")
    total = sum(record.answers.values())
    lines.append(
        f"{total} requests in {record.seconds:.1f} s: "
        f"{total / record.seconds:.1f} requests/s, "
        f"{record.photos / record.seconds:.1f} photos/s"
    )
    if record.latencies:
        p50, p90, p99, top = 1000 * np.percentile(record.latencies, [50, 90, 99, 100])
        lines.append(
            f"latency, requests with masks, ms: p50 {p50:.0f}, p90 {p90:.0f}, "
            f"p99 {p99:.0f}, max {top:.0f}"
        )
    if record.memory:
        start, quarter, middle, end = (
            record.memory_at(share) / 2**20 for share in (0.0, 0.25, 0.5, 1.0)
        )
        lines.append(
            f"memory of the server, MiB: start {start:.0f}, first quarter "
            f"{quarter:.0f}, middle {middle:.0f}, end {end:.0f}: "
            f"{record.growth:+.1%} since the first quarter"
        )
    return "\n".join(lines)

"""Does a training that is killed go on as if it had not been?

  python -m benchmarks.kills --kills=20

A tiny model trains in all four stages on drawn faces, once to its end. Then it trains
again and is killed (SIGKILL) at random moments drawn from the seed: within a step,
while it is judged, while history, best weights, checkpoint, settings and model are
written. The same command goes on, is killed again later, and in the end must have left
what the uninterrupted run left, bit for bit. The script exits 1 if it has not. On two
idle cores it takes some 20 minutes.
"""

import dataclasses
import json
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

import numpy as np
from absl import app, flags
from PIL import Image

from stn_icnn_tf.class_sets import EIGHT_PARTS, ClassSet, Part
from stn_icnn_tf.drawn_faces.drawing import draw_face
from trainers.common.flags import refuse_arguments

FLAGS = flags.FLAGS

KINDS = ("settings", "step", "judge", "history", "best", "checkpoint", "model")
# One net for six parts, a class each: a graph a third the size, so that a run takes
# seconds.
ONE_NET = ClassSet(
    names=EIGHT_PARTS.names[:7],
    palette=EIGHT_PARTS.palette[:7],
    parts=tuple(
        Part(name, "any", (k,), flipped=name.startswith("right"))
        for k, name in enumerate(EIGHT_PARTS.names[1:7], 1)
    ),
    mirror_pairs=EIGHT_PARTS.mirror_pairs,
)
_PHOTOS = {"train": 8, "validation": 2}
_SETTINGS = (
    "--set_model=coarse_size=32",
    "--set_model=patch_size=17",
    "--set_model=canvas_size=64",
    "--set_model=coarse_filters=4,4",
    "--set_model=part_filters=4,4",
    "--set_model=localization_filters=4,4,4,4",
    "--set=all.epochs=2",
    "--set=all.optimizer=adam",  # Its graph is built in half the time.
    "--set=all.batch_size=4",
    "--device=CPU:0",
)
_MOST_SECONDS = 3600


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    flags.DEFINE_integer("kills", 20, "Kills in all.", 1)
    flags.DEFINE_integer("kills_a_run", 10, "Kills that one run bears.", 1)
    flags.DEFINE_integer("seed", 0, "Of the moments.")
    flags.DEFINE_bool(
        "eager",
        False,
        "Train without graphs, which take longest to build: other last digits than a "
        "graph's, but the same files.",
    )


@dataclasses.dataclass(frozen=True)
class Event:
    """Something that a run did.

    Attributes:
        name: its kind, and where in the run, e.g. `checkpoint coarse 2`.
        seconds: how long it took.
    """

    name: str
    seconds: float

    @property
    def kind(self) -> str:
        """One of `KINDS`."""
        return self.name.partition(" ")[0]


def draw_photos(folder: pathlib.Path) -> None:
    """Writes drawn faces, their labels, and the class set."""
    for split, count in _PHOTOS.items():
        (folder / split).mkdir(parents=True)
        for index in range(count):
            rng = np.random.default_rng((count, index))
            photo, label = draw_face(rng, (96, 96), ONE_NET)
            Image.fromarray(photo).save(folder / split / f"{index}.png")
            Image.fromarray(label).save(folder / split / f"{index}_mask.png")
    (folder / "classes.json").write_text(json.dumps(ONE_NET.get_config()))


class Run:
    """A process that trains, and tells what it does.

    Args:
        photos: from `draw_photos`.
        run_dir: the run folder.
        arguments: of `trainers.train`, besides.
    """

    def __init__(
        self, photos: pathlib.Path, run_dir: pathlib.Path, arguments: tuple[str, ...]
    ) -> None:
        command = [sys.executable, "-m", "benchmarks.watched_train", *_SETTINGS]
        command += [f"--dataset={photos}", f"--class_set={photos / 'classes.json'}"]
        command += [f"--run_dir={run_dir}", *arguments]
        self.run_dir = run_dir
        self.log = run_dir.with_suffix(".log").open("ab")
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self.log, text=True
        )

    def events(self) -> Iterator[tuple[str, bool]]:
        """Yields the name of each event when it begins, and when it has ended."""
        for line in self.process.stdout:
            self.log.write(line.encode())
            word, _, name = line.strip().partition(" ")
            if word in ("begin", "end"):
                yield name, word == "end"

    def close(self, killed: bool = False) -> None:
        """Waits for the end.

        Raises:
            RuntimeError: if the process failed, and was not killed.
        """
        code = self.process.wait(_MOST_SECONDS)
        self.process.stdout.close()
        self.log.close()
        if code and not killed:
            log = pathlib.Path(self.log.name).read_text(errors="replace")
            raise RuntimeError(f"{self.run_dir}: exit status {code}\n{log[-4000:]}")

    def finish(self) -> list[Event]:
        """Lets it train to its end; returns what it did, in order."""
        begun, done = {}, []
        for name, ended in self.events():
            if ended:
                done.append(Event(name, time.perf_counter() - begun[name]))
            begun[name] = time.perf_counter()
        self.close()
        return done

    def kill_at(self, event: Event, part: float) -> str | None:
        """Kills it when some part of an event's time is over.

        Returns:
            what it was doing then; None if it ended before.
        """
        for name, ended in self.events():
            if name == event.name and not ended:
                time.sleep(part * event.seconds)
                self.process.kill()
                last = f"in {name}"
                for name, ended in self.events():  # What it could still say.
                    last = f"{'after' if ended else 'in'} {name}"
                self.close(killed=True)
                return last
        self.close()
        return None


def draw_moments(
    events: list[Event], count: int, rng: np.random.Generator, first_kind: int = 0
) -> list[tuple[Event, float]]:
    """Draws moments at which to kill a run, in the order in which they come.

    Args:
        events: what an uninterrupted run does.
        count: of the moments.
        rng: source of the randomness.
        first_kind: kinds take turns, so that none is left out: from this one on.
    """
    chosen = []
    for kind in (KINDS[(first_kind + i) % len(KINDS)] for i in range(count)):
        places = [i for i, event in enumerate(events) if event.kind == kind]
        # There is one model, and it may be killed there twice.
        chosen.append((int(rng.choice(places)), float(rng.random())))
    return [(events[i], part) for i, part in sorted(chosen)]


def kill_runs(
    root: pathlib.Path,
    kills: int,
    kills_a_run: int,
    seed: int,
    arguments: tuple[str, ...] = (),
) -> list[str]:
    """Trains once to the end, and again and again with kills.

    Args:
        root: an empty folder; gets the photos and the runs.
        kills: how many, in all.
        kills_a_run: how many one run bears.
        seed: of the moments.
        arguments: of `trainers.train`, besides.

    Returns:
        a line for each difference between a killed run and the whole one.
    """
    from benchmarks.run_differences import differences  # It loads TensorFlow.

    rng = np.random.default_rng(seed)
    photos, whole = root / "photos", root / "whole"
    draw_photos(photos)
    events = Run(photos, whole, arguments).finish()
    done, number, wrong = 0, 0, []
    while done < kills:
        number += 1
        run_dir, borne = root / f"killed-{number}", 0
        count = min(kills_a_run, kills - done)
        for event, part in draw_moments(events, count, rng, done):
            last = Run(photos, run_dir, arguments).kill_at(event, part)
            if last is None:  # The kill before came late, and this moment was over.
                break
            borne += 1
            print(f"kill {done + borne}: run {number}, {last}", flush=True)
        Run(photos, run_dir, arguments).finish()
        done += borne
        found = differences(whole, run_dir)
        wrong += [f"run {number}: {text}" for text in found]
        verdict = "; ".join(found) or "bit-equal to the whole one"
        print(f"run {number}, {borne} kills: {verdict}", flush=True)
    print(f"{done} kills in {number} runs, {len(wrong)} differences")
    return wrong


def main(argv: list[str]) -> None:
    """Runs the script; exits 1 if a run has not gone on as it should."""
    refuse_arguments(argv)
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        eager = ("--eager",) if FLAGS.eager else ()
        wrong = kill_runs(root, FLAGS.kills, FLAGS.kills_a_run, FLAGS.seed, eager)
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    define_flags()
    app.run(main)

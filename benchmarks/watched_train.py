"""`trainers.train`, and a line for what it begins and ends; for `benchmarks.kills`."""

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from absl import app, flags

from trainers import train
from trainers.training import loop, records
from trainers.training.checkpoints import StageCheckpoints
from trainers.training.loop import Trainer


def watched(function: Callable, name: Callable[..., str]) -> Callable:
    """Wraps a function: it says by name when it begins and ends."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        text = name(*args, **kwargs)
        print(f"begin {text}", flush=True)
        result = function(*args, **kwargs)
        print(f"end {text}", flush=True)
        return result

    return call


def watch(owner: Any, attribute: str, name: Callable[..., str]) -> None:
    """Has a function say by name when it begins and ends."""
    setattr(owner, attribute, watched(getattr(owner, attribute), name))


def watch_steps(trainer: Trainer) -> None:
    """Has a trainer tell its steps."""
    stage, counts = trainer.stage.name, iter(range(1_000_000))

    def name(*_: Any) -> str:
        return f"step {stage} {int(trainer.epoch)}.{next(counts)}"

    watch(trainer.steps, "train", name)


def watch_all() -> None:
    """Has everything that `benchmarks.kills` can kill say that it begins."""
    make = Trainer.__init__

    def init(trainer: Trainer, *args: Any, **kwargs: Any) -> None:
        make(trainer, *args, **kwargs)
        watch_steps(trainer)

    Trainer.__init__ = init
    watch(Trainer, "evaluate", lambda t, _: f"judge {t.stage.name} {int(t.epoch)}")
    watch(
        StageCheckpoints,
        "save",
        lambda c, number: f"checkpoint {c.folder.name} {number}",
    )
    watch(loop, "save_best", lambda _, folder: f"best {folder.name}")
    watch(records, "append_epoch", lambda _, e: f"history {e['stage']} {e['epoch']}")
    watch(train, "settle_config", lambda *_: "settings")
    watch(train, "save_model", lambda *_: "model")


def main(argv: list[str]) -> None:
    """Runs the script."""
    tf.config.run_functions_eagerly(flags.FLAGS.eager)
    watch_all()
    train.main(argv)


if __name__ == "__main__":
    train.define_flags()
    flags.DEFINE_bool("eager", False, "Whether steps run without a graph.")
    app.run(main)

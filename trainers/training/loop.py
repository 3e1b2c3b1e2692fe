"""The custom loop: one stage under any `tf.distribute` strategy."""

import math
import pathlib
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from stn_icnn_tf.data.batches import evaluation_batches, training_batches
from stn_icnn_tf.data.mixture import Mixture
from stn_icnn_tf.data.preprocess import Framing
from stn_icnn_tf.metrics import scores
from stn_icnn_tf.models.stn_icnn import StnIcnn
from stn_icnn_tf.visualize import overlay_batch
from trainers.configs.stages import Stage
from trainers.training.checkpoints import (
    StageCheckpoints,
    load_best,
    save_best,
    weights_digest,
)
from trainers.training.checks import (
    refuse_batch_size,
    refuse_broken_weights,
    refuse_jit_compile,
    refuse_jitter,
    steps_per_epoch,
)
from trainers.training.errors import writing_to
from trainers.training.records import StageRecords
from trainers.training.run_folder import keep_as_is
from trainers.training.running_losses import RunningLosses
from trainers.training.steps import StageSteps
from trainers.training.strategies import (
    distributed_batches,
    is_chief,
    take_from_chief,
)


class Trainer:
    """Trains one stage of a model, and can be killed and resumed at any time.

    A folder `STAGE` under the run folder holds a checkpoint of each finished
    epoch (the last two are kept), `best.weights.h5`, and TensorBoard logs. A
    trainer made on a folder with a checkpoint goes on after it and gives the
    numbers of the uninterrupted run. Where it cannot, since the stage starts from
    other weights now, or its cosine rate falls over more epochs, it starts again.

    Over several hosts every worker has a trainer, and what counts is in the run folder
    of the chief: the others take all values from it, and write what TensorFlow has
    every worker write to folders of their own.

    Args:
        model: made under the scope of `strategy`.
        stage: what to train and how.
        strategy: any synchronous `tf.distribute` strategy.
        run_dir: the run folder; of a worker that is not the chief, a temporary one.
        seed: of shuffling, augmentation and jitter.
        jit_compile: whether XLA compiles the step; on one device alone.
        show: whether to draw a progress bar.
        after_epoch: is called when the checkpoint of an epoch is written.

    Raises:
        ValueError: if the batch does not divide over the replicas, or XLA is to
            compile for several.
    """

    def __init__(
        self,
        model: StnIcnn,
        stage: Stage,
        strategy: tf.distribute.Strategy,
        run_dir: str | pathlib.Path,
        seed: int = 0,
        jit_compile: bool = False,
        show: bool = True,
        after_epoch: Callable[[], None] = keep_as_is,
    ) -> None:
        refuse_batch_size(stage, strategy.num_replicas_in_sync)
        refuse_jitter(stage, model.class_set)
        refuse_jit_compile(jit_compile, strategy.num_replicas_in_sync)
        self.model = model
        self.stage = stage
        self.strategy = strategy
        self.seed = seed
        self.show = show
        self.after_epoch = after_epoch
        canvas_size = model.canvas_size
        if model.framing == "letterbox" and not stage.needs_patches:
            # No patch is cropped: a smaller canvas spares most of the input's work.
            canvas_size = min(canvas_size, 2 * model.coarse_size)
        self.framing = Framing.of(model, canvas_size)
        self.folder = pathlib.Path(run_dir) / stage.name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.epoch = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.best = tf.Variable(-math.inf, trainable=False)
        self.steps = StageSteps(model, stage, strategy, jit_compile)
        self.optimizers = self.steps.optimizers
        self.checkpoints = StageCheckpoints(
            self.folder,
            # Not the model: TensorFlow does not look into Keras's lists of layers, and
            # would leave out most batch norm statistics.
            weights=list(model.weights),
            epoch=self.epoch,
            best=self.best,
            # By name: another optimizer's variables may have the same shapes.
            **{f"{net}_{stage.optimizer}": o for net, o in self.optimizers.items()},
        )
        self.records = StageRecords(self.folder, show)

    def fit(
        self,
        training: tf.data.Dataset | Mixture,
        validation: tf.data.Dataset,
        started_from: str = "",
    ) -> dict:
        """Trains from the last checkpoint to the last epoch; keeps the best epoch.

        Args:
            training: examples of a TFDS builder of this project; or several such data
                sets, mixed.
            validation: examples of one; chooses the epoch.
            started_from: `weights_digest` of what the stage before left; empty if
                there is none.

        Returns:
            the validation scores of the last epoch, `{}` if none was run.

        Raises:
            FloatingPointError: if the loss of a step is not finite, or a weight after
                an epoch.
            RunError: if what is in the folder cannot be read, or written anew.
            ValueError: if there are fewer photos than a batch holds.
        """
        steps = steps_per_epoch(training, self.stage, self.model.class_set)
        self.checkpoints.resume(self._origin(started_from))
        take_from_chief(self.strategy, self._variables())
        result = {}
        for epoch in range(int(self.epoch), self.stage.epochs):
            means = self._train_epoch(training, epoch, steps)
            result = self.evaluate(validation)
            pictures = self._pictures(validation) if is_chief(self.strategy) else None
            with writing_to(self.folder):
                if pictures is not None:
                    self._record(epoch, means, result, pictures)
                if self.judge(result) > float(self.best):
                    self.best.assign(self.judge(result))
                    save_best(self.model, self.folder)
                self.epoch.assign_add(1)
                self.checkpoints.save(epoch + 1)
            self.after_epoch()
        if float(self.best) > -math.inf:
            if is_chief(self.strategy):
                load_best(self.model, self.folder)
            take_from_chief(self.strategy, self.model.weights)
        return result

    def _variables(self) -> list:
        """All that a checkpoint holds, but for the origin, which the chief judges."""
        states = [v for o in self.optimizers.values() for v in o.variables]
        return [self.epoch, self.best, *self.model.weights, *states]

    def _origin(self, started_from: str) -> dict:
        """What the numbers of an epoch depend on, but for settings that stay."""
        cosine = self.stage.decay == "cosine"
        return {
            "weights": started_from,
            "epochs": self.stage.epochs if cosine else None,
        }

    def _train_epoch(
        self, training: tf.data.Dataset | Mixture, epoch: int, steps: int
    ) -> dict[str, float]:
        stage = self.stage
        batches = self.training_batches(training, epoch)
        losses = RunningLosses(lambda step: self._where(step, epoch))
        with tqdm(
            total=steps * stage.batch_size,
            desc=f"{stage.name} {epoch + 1}/{stage.epochs}",
            unit=" photos",
            disable=not self.show,
        ) as bar:
            for index in range(steps):
                batch = next(batches)
                step = epoch * steps + index
                for network, optimizer in self.optimizers.items():
                    rate = stage.rate_at(network, step / steps)
                    optimizer.learning_rate.assign(rate)
                key = tf.constant([self.seed, step * 1024], tf.int64)
                losses.add(step, self.steps.train(batch, key))
                if losses.loss is not None:
                    bar.set_postfix(loss=f"{losses.loss:.4f}", refresh=False)
                bar.update(stage.batch_size)
            means = losses.means()
        refuse_broken_weights(self.model, self._where(step, epoch))
        return means

    def _where(self, step: int, epoch: int) -> str:
        return (
            f"at step {step} of stage {self.stage.name} (epoch {epoch + 1}). The "
            f"checkpoint in {self.folder} is from before this epoch."
        )

    def training_batches(
        self, training: tf.data.Dataset | Mixture, epoch: int
    ) -> Iterator[dict]:
        """Yields the distributed batches of an epoch."""
        return distributed_batches(
            self.strategy,
            lambda share: training_batches(
                training,
                self.framing,
                self.stage.augmentation,
                self.stage.batch_size,
                self.seed,
                epoch,
                self.stage.repeat_threshold,
                share,
            ),
        )

    def evaluate(self, dataset: tf.data.Dataset) -> dict[str, float]:
        """Scores the model as its stage is judged; exact on any number of replicas."""
        batch_size = self.stage.batch_size
        iterator = distributed_batches(
            self.strategy,
            lambda share: evaluation_batches(dataset, self.framing, batch_size, share),
        )
        steps = -(-int(dataset.cardinality()) // batch_size)
        totals: dict = {}
        for _ in range(steps):
            for name, value in self.steps.evaluate(next(iterator)).items():
                totals[name] = totals.get(name, 0) + value.numpy()
        result = {}
        if "matrix" in totals:
            undrawn = np.flatnonzero(totals["drawn"][1:] == 0) + 1
            result = scores(totals["matrix"], self.model.class_set, undrawn.tolist())
        if "distance" in totals:
            result["center_error"] = float(totals["distance"] / totals["centers"])
        return result

    def judge(self, result: dict[str, float]) -> float:
        """The number that chooses the epoch: higher is better."""
        # With base classes, `overall` is of the parts alone.
        whole = len(self.model.class_set.base_classes) > 1
        score = "mean_f1" if whole else "overall"
        return result.get(score, -result.get("center_error", 0.0))

    # === Records ===

    def _record(
        self, epoch: int, means: dict, result: dict, pictures: tf.Tensor
    ) -> None:
        rates = {n: self.stage.rate_at(n, epoch) for n in self.stage.trained_networks}
        self.records.write(epoch + 1, means, result, rates, pictures)

    def _pictures(self, validation: tf.data.Dataset, count: int = 4) -> tf.Tensor:
        batches = evaluation_batches(validation.take(count), self.framing, 1)
        images = tf.concat([batch["image"] for batch in batches], axis=0)
        masks = self.model(images)["mask"]
        return overlay_batch(images.numpy(), masks.numpy(), self.model.class_set)


def run_stages(
    model: StnIcnn,
    stages: tuple[Stage, ...],
    make_trainer: Callable[[StnIcnn, Stage], Trainer],
    training: tf.data.Dataset | Mixture,
    validation: tf.data.Dataset,
    started_from: str = "",
) -> None:
    """Trains stage after stage, each from the best epoch of the one before.

    `started_from` is `weights_digest` of what an earlier stage left; see `Trainer.fit`.
    """
    for stage in stages:
        if stage.epochs:
            make_trainer(model, stage).fit(training, validation, started_from)
            started_from = weights_digest(model)

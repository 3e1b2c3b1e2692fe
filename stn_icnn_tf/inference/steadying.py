"""Steadies the masks of a video: what the nets say of a frame, and of those before.

It is done where the nets work, on patches of some 80 pixels a side, before they are
pasted: so it costs the same for any size of the frames. The windows follow the parts,
slowly if they tremble, at once if they move; and the mean over time of a patch goes
with its window, that of the rest of the head with all of them. So nothing smears when
the face moves. Where something else moves, its pixels change, and what changes counts
at once.
"""

from typing import Any

import tensorflow as tf

from stn_icnn_tf.geometry.affine import make_theta, theta_scale
from stn_icnn_tf.inference.candidates import coarse_confidence
from stn_icnn_tf.inference.face_search import FaceSearch
from stn_icnn_tf.inference.rectangles import sample_boxes
from stn_icnn_tf.inference.squares import width_and_height
from stn_icnn_tf.models.search_thresholds import fits
from stn_icnn_tf.models.steps import FramedPhotos

State = dict[str, Any]

# The share of a new frame in the mean over time, where nothing moves.
LEAST = 0.2
# By how much of its half side a window moves to be followed at once: of a still face it
# trembles by .003, and what follows slowly lags. And by how much all windows together,
# to be another face or place: then nothing counts that was before.
MOVED, JUMPED = 0.02, 0.4
# Grey levels by which pixels change, in the mean of 5 x 5, from noise alone; and from
# which on what was there before counts for nothing.
NOISE, CHANGED = 4.0, 12.0


class SteadyParser:
    """Parses the frames of a video in a square, one after the other.

    Args:
        search: of the model; its thresholds say when a face is held.
    """

    def __init__(self, search: FaceSearch) -> None:
        self.search, self.model = search, search.model

    def state_spec(self) -> dict[str, tf.TensorSpec]:
        """Describes what is known of the frames before: the argument `before`."""
        model = self.model
        shapes: dict[str, tuple[int, ...]] = {}
        class_set, patch = model.class_set, model.patch_size
        parts, coarse = class_set.num_parts, model.coarse_size
        shapes["theta"] = (parts, 2, 3)
        shapes["patches"] = (parts, patch, patch, 3)
        shapes["coarse_image"] = (1, coarse, coarse, 3)
        for part in class_set.parts:
            shapes[part.name] = (patch, patch, len(part.classes))
        if len(class_set.base_classes) > 1:
            shapes["base"] = (1, coarse, coarse, len(class_set.base_classes))
        return {name: tf.TensorSpec(shape) for name, shape in shapes.items()}

    def nothing_before(self) -> State:
        """Returns a state for the first frame, for which it counts for nothing."""
        return {name: tf.zeros(spec.shape) for name, spec in self.state_spec().items()}

    def parse(
        self, frame: tf.Tensor, square: tf.Tensor, before: State, is_first: tf.Tensor
    ) -> dict[str, Any]:
        """Parses a frame.

        Args:
            frame: uint8 `(height, width, 3)`, RGB.
            square: float `(4,)`, where the face is parsed, see `squares`; that of the
                frame before, unless `is_first`.
            before: the `state` of the frame before.
            is_first: bool, whether nothing counts that was before.

        Returns:
            `mask` uint8 `(height, width)`; `theta` float `(parts, 2, 3)`, patch ->
            frame, rolled as the square is; `own_square` float `(4,)`, of the face;
            `is_sure` bool, whether a face is seen; `fits` bool, whether it is close
            enough to the square; `state`.
        """
        cut = self.search.cut(frame, square)
        before, now, shares = dict(before), {}, {}

        def windows(coarse_scores: tf.Tensor, framed: FramedPhotos) -> tf.Tensor:
            theta = self.model.learned_windows(coarse_scores, framed)[0]
            moves = _moves(before["theta"], theta)
            is_new = is_first | (tf.reduce_mean(moves) > JUMPED)
            followed = tf.clip_by_value(moves / MOVED, LEAST, 1.0)
            followed = tf.where(is_new, 1.0, followed)[:, None, None]
            now["theta"] = _mean(before["theta"], theta, followed)
            now["patches"] = self.model.crop(framed.source, now["theta"][None])[0]
            step = self.model.coarse_image_size // self.model.coarse_size
            image = tf.nn.avg_pool2d(framed.coarse_image, step, step, "SAME")
            now["coarse_image"] = image
            before.update(self._moved(before, now["theta"]))
            for name in ("patches", "coarse_image"):
                changed = _changed(before[name], now[name])
                shares[name] = tf.where(is_new, 1.0, changed)
            return now["theta"][None]

        parsed = self.model.parse_parts(cut.pixels(frame)[None], cropper=windows)
        names = [part.name for part in self.model.class_set.parts]
        for i, name in enumerate(names):
            new = parsed.probabilities[i][0]
            now[name] = _mean(before[name], new, shares["patches"][i])
        base = None
        if parsed.base is not None:
            base = _mean(before["base"], parsed.base, shares["coarse_image"])
            now["base"] = base
        pasted = [now[name][None] for name in names]
        side = tf.cast(cut.side, tf.int32)
        mask = self.model.paste_back(pasted, parsed.theta, (side, side), base)[0]
        theta = cut.theta_to_photo(parsed.theta[0])
        own_square = self.search.own_square_of(theta, width_and_height(frame))
        sure = coarse_confidence(parsed.coarse_scores, self.model.class_set)
        return {
            "mask": cut.to_photo(mask[..., None])[..., 0],
            "theta": theta,
            "own_square": own_square,
            "is_sure": self.search.thresholds.is_sure(*sure)[0],
            "fits": fits(own_square, square, self.search.thresholds),
            "state": now,
        }

    def _moved(self, before: State, theta: tf.Tensor) -> State:
        """Moves what is known of the whole square as the windows move together."""
        names = [name for name in ("coarse_image", "base") if name in before]
        planes = tf.concat([before[name] for name in names], axis=-1)
        old_scale, scale = theta_scale(before["theta"]), theta_scale(theta)
        ratio = tf.reduce_mean(old_scale, axis=0) / tf.reduce_mean(scale, axis=0)
        old_center = tf.reduce_mean(before["theta"][..., 2], axis=0)
        center = tf.reduce_mean(theta[..., 2], axis=0)
        back = make_theta(ratio, old_center - ratio * center)
        size = tuple(planes.shape[1:3])
        moved = sample_boxes(planes, back[None, None], size, "SYMMETRIC")
        moved = tf.split(moved, [before[name].shape[-1] for name in names], axis=-1)
        return dict(zip(names, moved))


def _moves(before: tf.Tensor, now: tf.Tensor) -> tf.Tensor:
    """Tells how far windows move, float `(parts,)`, as a part of their half sides."""
    half = theta_scale(before)
    ways = tf.abs(tf.concat([now[..., 2] - before[..., 2], theta_scale(now) - half], 1))
    # Of no window, before the first frame, it is not asked.
    ways = tf.math.divide_no_nan(ways, tf.concat([half, half], 1))
    return tf.reduce_max(ways, axis=-1)


def _changed(before: tf.Tensor, now: tf.Tensor) -> tf.Tensor:
    """Tells where pictures change more than from noise: `(..., height, width, 1)`."""
    change = tf.reduce_mean(tf.abs(now - before), axis=-1, keepdims=True)
    change = tf.nn.avg_pool2d(change, 5, 1, "SAME")
    return tf.clip_by_value((change - NOISE) / (CHANGED - NOISE), LEAST, 1.0)


def _mean(before: tf.Tensor, now: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
    return before + share * (now - before)

"""Photos of any framing: parses the square in which a face lies as in training."""

from typing import Any

import numpy as np
import tensorflow as tf

from stn_icnn_tf.geometry.affine import to_pixels
from stn_icnn_tf.geometry.squares import square_around, whole_square
from stn_icnn_tf.inference.candidates import candidates_to_try, coarse_confidence
from stn_icnn_tf.inference.squares import Cut, two_pixels_at_least, width_and_height
from stn_icnn_tf.models.pipeline import Pipeline
from stn_icnn_tf.models.search_thresholds import CUTS, WHOLE, SearchThresholds, fits

Tensor = Any
Found = dict[str, tf.Tensor]

RESULT = ("mask", "theta", "square")


class FaceSearch:
    """Parses the face of one photo of any size and framing.

    The photo is parsed as it is first. If the coarse net was sure of it, the windows
    say that the face is about as large, as central and as upright as those of the
    model's own photos, and the parts lie about the middle of their windows, that is the
    result. Otherwise the face is searched for: if the coarse net was unsure, among the
    candidate crops; then the square around the face, as its windows tell it, is cut out
    upright and parsed, so that a small face gets its pixels. The coarse net may be sure
    and wrong: then parts do not lie in their windows, and the next best candidates are
    tried.

    Args:
        model: the model, or its fused form.
        thresholds: from where on is searched; None: those of the model.
        cuts: how often the square around a face is cut out at most.

    Raises:
        ValueError: if `cuts` is negative.
    """

    def __init__(
        self,
        model: Pipeline,
        thresholds: SearchThresholds | None = None,
        cuts: int = CUTS,
    ) -> None:
        if cuts < 0:
            raise ValueError(
                f"Argument `cuts` must not be negative. Received: cuts={cuts}"
            )
        self.model = model
        self.thresholds = thresholds or model.search_thresholds
        self.cut_thresholds = self.thresholds.of_cuts()
        self.cuts = cuts

    def __call__(self, photo: tf.Tensor, square: tf.Tensor | None = None) -> Found:
        """Parses a photo.

        Args:
            photo: uint8 `(height, width, 3)`, RGB.
            square: float `(4,)`, where the face is, see `squares`; None: anywhere.

        Returns:
            `mask` uint8 `(height, width)`; `theta` float `(parts, 2, 3)`, patch ->
            photo, rolled as the square is; `square` float `(4,)`: where the face was
            parsed.
        """
        photo = tf.convert_to_tensor(photo)
        if square is not None:
            return self.parse_square(photo, square)
        framed = {
            name: value[0] for name, value in self.parse_framed(photo[None]).items()
        }
        return tf.cond(
            framed["fits"],
            lambda: {name: framed[name] for name in RESULT},
            lambda: self.find(photo, framed),
        )

    def parse_framed(self, photos: tf.Tensor) -> Found:
        """Parses photos of one size as they are: the plain model, and one check.

        Args:
            photos: uint8 `(batch, height, width, 3)`, RGB.

        Returns:
            `mask` and `theta` of the model; `square` float `(batch, 4)`, the whole
            photo's; `confidence` and `found` float `(batch,)`, see
            `coarse_confidence`; `placed` float `(batch,)`, see `placed_share`;
            `rating` float `(batch,)`, see `SearchThresholds.rate`; `own_square` float
            `(batch, 4)`; `fits` bool `(batch,)`, whether the model was made for such a
            photo.
        """
        height, width = tf.unstack(tf.shape(photos)[1:3])
        padded = two_pixels_at_least(photos)
        outputs = self.model.parse(padded)
        confidence, found = coarse_confidence(
            outputs["coarse_scores"], self.model.class_set
        )
        own_square = self.own_square_of(outputs["theta"], width_and_height(padded))
        square = whole_square((width, height))
        good = fits(own_square, square, self.thresholds)
        placed = outputs["placed"]
        mask = tf.ensure_shape(outputs["mask"][:, :height, :width], photos.shape[:3])
        return {
            "mask": mask,
            "theta": outputs["theta"],
            "square": tf.repeat(square[None], tf.shape(photos)[0], axis=0),
            "confidence": confidence,
            "found": found,
            "placed": placed,
            "rating": self.thresholds.rate(confidence, found, placed),
            "own_square": own_square,
            "fits": good
            & self.thresholds.is_sure(confidence, found)
            & (placed >= self.thresholds.placed),
        }

    def find(self, photo: tf.Tensor, framed: Found) -> Found:
        """Searches for the face of a photo that the model was not made for.

        Args:
            photo: uint8 `(height, width, 3)`, RGB.
            framed: what `parse_framed` gives of it, without the batch axis.

        Returns:
            as `__call__`. Where nothing better is found, it is the photo as it is.
        """
        own_square = framed["own_square"]
        is_off = ~fits(own_square, framed["square"], self.thresholds)
        is_sure = self.thresholds.is_sure(framed["confidence"], framed["found"])
        as_it_is = self.thresholds.rate_as_it_is(
            own_square, framed["square"], framed["confidence"], framed["placed"]
        )
        confidence = framed["confidence"] * framed["found"]
        framed = {name: framed[name] for name in (*RESULT, "placed", "rating")}

        def look() -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            squares, is_better = candidates_to_try(self.model, photo, confidence)
            squares = tf.concat([own_square[None], squares], axis=0)
            # The face's own square is tried once, if nothing is better.
            return squares, tf.shape(squares)[0], tf.cast(is_sure | is_better, tf.int32)

        # The squares, how many are known, and which is next. One loop for all of it:
        # what is compiled holds the networks of a cut once.
        def is_wanted(
            squares: tf.Tensor, known: tf.Tensor, index: tf.Tensor, best: Found
        ) -> tf.Tensor:
            looked = known > 1
            return (best["placed"] < WHOLE) & ((index < known) | ~looked)

        def try_next(
            squares: tf.Tensor, known: tf.Tensor, index: tf.Tensor, best: Found
        ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, Found]:
            squares, known, index = tf.cond(
                index < known, lambda: (squares, known, index), look
            )
            # A candidate is not yet the face's own square, which is cut out of it.
            candidates = tf.minimum(index, 1)
            wanted = is_off | (index > 0)
            found = self._cut_until_it_fits(
                photo, squares[index], wanted, candidates, framed
            )
            better = found["rating"] > best["rating"]
            best = tf.cond(better, lambda: found, lambda: best)
            return squares, known, index + 1, best

        nothing = {**framed, "placed": tf.constant(0.0), "rating": as_it_is}
        known, index = tf.cast(is_sure, tf.int32), tf.constant(0)
        any_number = tf.TensorShape((None, 4))
        *_, best = tf.while_loop(
            is_wanted,
            try_next,
            (own_square[None], known, index, nothing),
            shape_invariants=(
                any_number,
                known.shape,
                index.shape,
                {name: value.shape for name, value in nothing.items()},
            ),
            parallel_iterations=1,
        )
        return {name: best[name] for name in RESULT}

    def parse_square(self, photo: tf.Tensor, square: tf.Tensor) -> Found:
        """Parses the face that lies about in a square, as `__call__`."""
        square = tf.ensure_shape(tf.cast(square, tf.float32), (4,))
        parts = len(self.model.mean_crop)
        nothing = {
            "mask": tf.zeros(tf.shape(photo)[:2], tf.uint8),
            "theta": tf.zeros((parts, 2, 3)),
            "square": square,
            "placed": tf.constant(0.0),
            "rating": tf.constant(0.0),
        }
        wanted, one = tf.constant(True), tf.constant(1)
        found = self._cut_until_it_fits(photo, square, wanted, one, nothing)
        return {name: found[name] for name in RESULT}

    def cut(self, photo: tf.Tensor, square: tf.Tensor) -> Cut:
        """Returns how a square is cut out of a photo."""
        size = tf.cast(width_and_height(photo), tf.float32)
        return Cut(square, size, np.radians(self.cut_thresholds.roll))

    def _cut_until_it_fits(
        self,
        photo: tf.Tensor,
        square: tf.Tensor,
        wanted: tf.Tensor,
        candidates: tf.Tensor,
        start: Found,
    ) -> Found:
        """Cuts squares out and parses them, until the face fits into its square.

        Args:
            photo: `(height, width, 3)`.
            square: the first square.
            wanted: bool, whether it is cut out at all.
            candidates: integer, 1 if the first is not a face's own square.
            start: the result if nothing is cut out.
        """
        size = width_and_height(photo)

        def is_wanted(wanted: tf.Tensor, *state: Any) -> tf.Tensor:
            return wanted

        def parse_next(
            wanted: tf.Tensor, square: tf.Tensor, *state: Any
        ) -> tuple[tf.Tensor, tf.Tensor, Found]:
            cut = self.cut(photo, square)
            outputs = self.model.parse(cut.pixels(photo)[None])
            mask = cut.to_photo(outputs["mask"][0, ..., None])[..., 0]
            theta = cut.theta_to_photo(outputs["theta"][0])
            own_square = self.own_square_of(theta, size)
            wanted = ~fits(own_square, square, self.cut_thresholds)
            mask = tf.ensure_shape(mask, photo.shape[:2])
            confidence, found = coarse_confidence(
                outputs["coarse_scores"], self.model.class_set
            )
            placed = outputs["placed"]
            parsed = {
                "mask": mask,
                "theta": theta,
                "square": square,
                "placed": placed[0],
                "rating": self.thresholds.rate(confidence, found, placed)[0],
            }
            return wanted, own_square, parsed

        *_, found = tf.while_loop(
            is_wanted,
            parse_next,
            (wanted, square, start),
            maximum_iterations=self.cuts + candidates,
            parallel_iterations=1,
        )
        return found

    def own_square_of(self, theta: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
        """Finds the squares `(..., 4)` of faces from theta `(..., parts, 2, 3)`."""
        mean_centers = np.asarray(self.model.mean_crop)[:, 1:]
        centers = to_pixels(theta[..., 2], tf.cast(size, tf.float32))
        return square_around(centers, mean_centers)

"""How soft are the edges that a guided filter finds? Drawn hair whose alpha is known.

python -m benchmarks.mattes --output=mattes.json

A head with loose strands is drawn on black, on white and on a background: what black
and white differ by is what shines through. A model's probability is stood in for by
the hard label at a fourth of the size, blurred over three of its pixels. Errors are
means of |alpha - true alpha| x 1000 over pixels within 12 of an edge.
"""

import numpy as np
from absl import app, flags
from PIL import Image

from stn_icnn_tf import matting
from stn_icnn_tf.drawn_faces import head, textures
from stn_icnn_tf.drawn_faces.canvas import Canvas, Pose, curve
from stn_icnn_tf.drawn_faces.look import Look
from trainers.common.charts import write_record
from trainers.common.flags import refuse_arguments, usage_errors
from trainers.common.paths import define_path, output_file

FLAGS = flags.FLAGS

SIDE = 384
# Of the refinement, in pixels; brows to lips are some 160 high here.
RADIUS = 10


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    define_path("output", "mattes.json", "File for the record.")
    flags.DEFINE_integer("count", 24, "Drawings.", lower_bound=1)


def draw_on(behind: np.ndarray, seed: int) -> np.ndarray:
    """Draws a head and loose strands on a background, float32 `(height, width, 3)`."""
    rng = np.random.default_rng((seed, 1))
    size = behind.shape[:2]
    pose = Pose((size[1] / 2, size[0] * 0.45), min(size) / 4, *rng.normal(0, 0.1, 3))
    canvas, look = Canvas(behind, pose), Look.draw(rng)
    hair = textures.hair_texture(rng, size, look.hair)
    for _ in range(160):
        # From the rim of the hair outwards, ever steeper.
        angle, length, bend = rng.uniform(-3.6, 0.5), *rng.normal(0.25, 0.15, 2)
        start = np.array([1.1 * np.cos(angle), -0.35 + 1.15 * np.sin(angle)])
        out = start / np.linalg.norm(start)
        side = np.array([-out[1], out[0]]) * bend
        points = [start, start + out * length * 0.5 + side * 0.3]
        points.append(start + out * length + side)
        shade = look.hair * rng.uniform(0.7, 1.3)
        canvas.line(curve(points, closed=False), shade, rng.uniform(0.005, 0.02))
    head.draw_hair_behind(canvas, rng, look, hair)
    head.draw_head(canvas, rng, look, textures.skin_texture(rng, size, look.skin))
    head.draw_fringe(canvas, rng, look, hair)
    return canvas.shrink(blur=0.5)


def draw_matte(seed: int, side: int = SIDE) -> tuple[np.ndarray, np.ndarray]:
    """Draws a photo and its true alpha: uint8 `(side, side, 3)`, float32 of 0..1."""
    size = (side, side)
    rng = np.random.default_rng((seed, 0))
    black = np.zeros((*size, 3), "uint8")
    photo = draw_on(textures.background(rng, size), seed)
    photo += rng.normal(0, 2, photo.shape)
    through = draw_on(black + np.uint8(255), seed) - draw_on(black, seed)
    alpha = 1.0 - through.mean(axis=-1) / 255.0
    return np.clip(photo, 0, 255).astype("uint8"), np.clip(alpha, 0, 1)


def stand_in(alpha: np.ndarray) -> np.ndarray:
    """Makes of an alpha what a model would say: float32 of that shape, 0..1."""
    small = tuple(side // 4 for side in alpha.shape)
    label = Image.fromarray(np.uint8(alpha > 0.5)).resize(small[::-1], Image.NEAREST)
    return matting.resize(matting.box_mean(np.asarray(label), 1), alpha.shape)


def errors(photo: np.ndarray, alpha: np.ndarray) -> dict[str, float]:
    """Measures mattes of a photo: name -> mean error x 1000 near edges."""
    probability = stand_in(alpha)
    mask = (probability > 0.5).astype("float32")
    soft = (alpha > 0.02) & (alpha < 0.98)
    near = matting.box_mean(soft, 12) > 0
    mattes = {
        "probability": probability,
        "probability, refined": matting.refine(probability, photo, RADIUS),
        "mask": mask,
        "mask, refined": matting.refine(mask, photo, RADIUS),
    }
    return {
        name: 1000 * float(np.abs(matte - alpha)[near].mean())
        for name, matte in mattes.items()
    }


def main(argv: list[str]) -> None:
    """Runs the script."""
    refuse_arguments(argv)
    with usage_errors():
        output = output_file(FLAGS.output)
    rows = [errors(*draw_matte(seed)) for seed in range(FLAGS.count)]
    means = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    for name, value in means.items():
        print(f"{name:22} {value:6.1f}")
    write_record({"drawings": FLAGS.count, "errors": means}, output)


if __name__ == "__main__":
    define_flags()
    app.run(main)

"""Do the masks of a video flicker, and does what steadies them lag behind the face?

python -m benchmarks.flicker --model=head --output=docs/flicker.png

On clips of a face whose motion is known, see benchmarks.moving_face, with the noise of
a camera and encoded twice: a share of the face's pixels changes its class from one
frame to the next, once the motion is taken back. And F1 against the mask of the sharp
photo, moved along: of a head that swings fast, and of one that jumps, in the very frame
of the jump. Before is `FaceParser`, frame by frame; after is `VideoParser`.
"""

import time
from collections.abc import Callable

import numpy as np
from absl import app, flags
from PIL import Image

from benchmarks.moving_face import (
    Pose,
    fast,
    film,
    flicker,
    gentle,
    jump,
    mean_f1,
    misplaced,
    render,
    seen_from,
    still,
)
from stn_icnn_tf.face_parser import FaceParser
from stn_icnn_tf.video_parser import VideoParser
from trainers.common.flags import define_model_flag, refuse_arguments, usage_errors
from trainers.common.paths import define_path, output_file

FLAGS = flags.FLAGS

# Clip -> its motion and frames.
CLIPS = {"gentle": (gentle, 16), "still": (still, 14), "fast": (fast, 12)}
JUMPS, AFTER_A_JUMP = 14, 4


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    define_model_flag()
    define_path("output", "flicker.png", "File for the picture.")
    flags.DEFINE_float("length", 1.0, "Of the clips, as a part of the usual one.")


def parse_all(
    parse: Callable[[np.ndarray], object], frames: list[np.ndarray]
) -> tuple[list[np.ndarray], float]:
    """Parses frames; returns the masks, and processor seconds a frame but the first."""
    first = parse(frames[0]).mask
    start = time.process_time()
    masks = [first, *(parse(frame).mask for frame in frames[1:])]
    return masks, (time.process_time() - start) / (len(frames) - 1)


def filmed(
    motion: Callable[[int], Pose], count: int
) -> tuple[list[Pose], list[np.ndarray]]:
    """Films a motion, over `--length` of its frames; returns the poses, too."""
    count = max(round(count * FLAGS.length), 2 * AFTER_A_JUMP)
    return [motion(moment) for moment in range(count)], film(motion, count)


def scores(
    masks: list[np.ndarray], reference: np.ndarray, poses: list[Pose]
) -> list[float]:
    """Returns the mean F1 of each frame against the sharp photo's mask, moved."""
    return [
        mean_f1(mask, seen_from(reference, Pose(), pose))
        for mask, pose in zip(masks, poses)
    ]


def picture(flickers: list[np.ndarray]) -> Image.Image:
    """Draws how often each place changes, before and after, on the photo."""
    photo = np.asarray(Image.fromarray(render(Pose())).convert("L"))
    # `on_photo` knows which places are meant.
    height = len(flickers[0])
    border = (len(photo) - height) // 2
    dark = photo[border : border + height, border : border + height] // 3
    most = np.quantile(flickers[0][flickers[0] > 0], 0.9)
    panels = []
    for counts in flickers:
        heat = np.clip(counts / most, 0.0, 1.0)[..., None]
        panel = dark[..., None] * (1 - heat) + heat * np.array([255, 210, 60])
        panels.append(panel.astype("uint8"))
    gap = np.full((height, 8, 3), 255, "uint8")
    return Image.fromarray(np.concatenate([panels[0], gap, panels[1]], axis=1))


def main(argv: list[str]) -> None:
    """Runs the script."""
    refuse_arguments(argv)
    with usage_errors():
        output = output_file(FLAGS.output)
        parser = FaceParser(FLAGS.model)
        video = VideoParser(parser)
    reference = parser(render(Pose())).mask
    video(render(Pose()))  # Compiles.
    print("| clip | | changed | misplaced | F1 |\n|---|---|---|---|---|")
    seconds = []

    def tell(name: str, runs: dict[str, list], poses: list[Pose]) -> None:
        for which, masks in runs.items():
            cells = [
                f"{100 * np.sum(flicker(masks, poses)):.3f} %",
                f"{100 * misplaced(masks, poses):.4f} %",
                f"{np.mean(scores(masks, reference, poses)):.4f}",
            ]
            print(f"| {name} | {which} | {' | '.join(cells)} |", flush=True)

    for name, (motion, count) in CLIPS.items():
        poses, frames = filmed(motion, count)
        video.reset()
        timed = [parse_all(parse, frames) for parse in (parser, video)]
        seconds.append([time for _, time in timed])
        ideal = [seen_from(reference, Pose(), pose) for pose in poses]
        runs = dict(zip(("before", "after"), (masks for masks, _ in timed)))
        tell(name, {**runs, "steady as can be": ideal}, poses)
        if name == "gentle":
            flickers = [flicker(masks, poses) for masks in runs.values()]
            picture(flickers).save(output)
    poses, frames = filmed(jump, JUMPS)
    video.reset()
    runs = [parse_all(parse, frames)[0] for parse in (parser, video)]
    f1 = np.array([scores(masks, reference, poses) for masks in runs])
    at_jump = np.arange(len(frames)) % AFTER_A_JUMP == 0
    at_jump[0] = False
    for what, which in (("at a jump", at_jump), ("between jumps", ~at_jump)):
        before, after = f1[:, which].mean(axis=1)
        print(f"F1 {what}: {before:.4f} before, {after:.4f} after")
    before, after = np.mean(seconds, axis=0)
    print(
        f"\nProcessor seconds a frame: {before:.3f} before, {after:.3f} after: ", end=""
    )
    print(f"{after / before:.2f} times. Searches in the jumps: {video.searches}")
    print(f"Picture: {output}")


if __name__ == "__main__":
    define_flags()
    flags.mark_flag_as_required("model")
    app.run(main)

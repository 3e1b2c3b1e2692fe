"""How long does BiSeNet take, the face parser that most people run?

python -m benchmarks.bisenet --model=head --output=bisenet.json

Its net on a ResNet-18 is built here as an ONNX file with random weights: they have no
influence on the time, and no other framework is needed. It runs in ONNX Runtime, in
turn with ours, on photos of 512 x 512 that are decoded.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime
from absl import app, flags
from onnx import helper, numpy_helper

from stn_icnn_tf import FaceParser
from stn_icnn_tf.drawn_faces.drawing import draw_photos
from trainers.common.charts import save_record
from trainers.common.flags import define_model_flag, refuse_arguments, usage_errors
from trainers.common.paths import define_path, output_file
from trainers.common.timing import machine, time_in_turn

FLAGS = flags.FLAGS

_OURS = ("onnx float32", "onnx int8", "tensorflow float32", "tensorflow bfloat16")
_CLASSES, _SIDE = 19, 512


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    define_model_flag()
    define_path("output", "bisenet.json", "File for the record.")
    flags.DEFINE_multi_integer("batch", [1, 8], "Photos a call; may be repeated.")
    flags.DEFINE_integer("runs", 10, "Rounds that count.", 2)


class _Graph:
    """Collects the nodes of an ONNX graph; a tensor is its name."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self._rng = np.random.default_rng(0)

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Adds a node of one output."""
        output = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def constant(self, value: np.ndarray) -> str:
        """Adds a constant."""
        name = f"constant_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(value, name))
        return name

    def conv(
        self,
        features: str,
        channels: tuple[int, int],
        size: int = 3,
        stride: int = 1,
        relu: bool = True,
    ) -> str:
        """Adds a conv into which its batch norm is folded, `channels` in and out."""
        read, made = channels
        shape = (made, read, size, size)
        scale = np.sqrt(2.0 / (read * size**2))
        kernel = self._rng.normal(size=shape, scale=scale).astype("float32")
        pads = [size // 2] * 4
        inputs = (features, self.constant(kernel), self.constant(np.zeros(made, "f4")))
        out = self.add("Conv", *inputs, pads=pads, strides=[stride] * 2)
        return self.add("Relu", out) if relu else out

    def attended(self, features: str, channels: int) -> str:
        """Weighs channels by what a conv says of their means."""
        mean = self.add("GlobalAveragePool", features)
        said = self.conv(mean, (channels, channels), 1, relu=False)
        return self.add("Mul", features, self.add("Sigmoid", said))

    def upsampled(self, features: str, factor: int, mode: str = "nearest") -> str:
        """Enlarges features."""
        scales = self.constant(np.array([1, 1, factor, factor], "float32"))
        transform = "asymmetric" if mode == "nearest" else "align_corners"
        return self.add(
            "Resize", features, "", scales, mode=mode, nearest_mode="floor",
            coordinate_transformation_mode=transform,
        )  # fmt: skip


def bisenet() -> bytes:
    """Builds the ONNX file of BiSeNet.

    Its input is `photos`, uint8 `(batch, 512, 512, 3)`; its output `mask`, class ids
    `(batch, 512, 512)`.

    Reference:
        Yu et al. 2018, "BiSeNet: bilateral segmentation network for real-time semantic
        segmentation", with the features of the ResNet at 1/8 as spatial path. He et
        al. 2016, the ResNet.
    """
    graph = _Graph()
    photos = graph.add("Cast", "photos", to=onnx.TensorProto.FLOAT)
    photos = graph.add("Transpose", photos, perm=[0, 3, 1, 2])
    mean = graph.constant(np.array([123.7, 116.3, 103.5], "float32").reshape(3, 1, 1))
    spread = graph.constant(np.array([58.4, 57.1, 57.4], "float32").reshape(3, 1, 1))
    photos = graph.add("Div", graph.add("Sub", photos, mean), spread)
    features = graph.conv(photos, (3, 64), 7, 2)
    features = graph.add(
        "MaxPool", features, kernel_shape=[3, 3], pads=[1] * 4, strides=[2, 2]
    )
    at: dict[int, str] = {}
    stages = ((64, 64, 4), (128, 64, 8), (256, 128, 16), (512, 256, 32))
    for made, read, scale in stages:
        stride = 1 if scale == 4 else 2
        for block, (own, step) in enumerate(((read, stride), (made, 1))):
            first = graph.conv(features, (own, made), stride=step)
            second = graph.conv(first, (made, made), relu=False)
            if block == 0 and stride == 2:
                features = graph.conv(features, (own, made), 1, 2, relu=False)
            features = graph.add("Relu", graph.add("Add", features, second))
        at[scale] = features

    mean = graph.conv(graph.add("GlobalAveragePool", at[32]), (512, 128), 1)
    coarse = graph.attended(graph.conv(at[32], (512, 128)), 128)
    coarse = graph.upsampled(graph.add("Add", coarse, mean), 2)
    coarse = graph.conv(coarse, (128, 128))
    middle = graph.attended(graph.conv(at[16], (256, 128)), 128)
    middle = graph.upsampled(graph.add("Add", middle, coarse), 2)
    middle = graph.conv(middle, (128, 128))

    fused = graph.conv(graph.add("Concat", at[8], middle, axis=1), (256, 256), 1)
    said = graph.conv(graph.add("GlobalAveragePool", fused), (256, 64), 1)
    said = graph.add("Sigmoid", graph.conv(said, (64, 256), 1, relu=False))
    fused = graph.add("Add", fused, graph.add("Mul", fused, said))
    logits = graph.conv(graph.conv(fused, (256, 256)), (256, _CLASSES), 1, relu=False)
    logits = graph.upsampled(logits, 8, "linear")
    mask = graph.add("ArgMax", logits, axis=1, keepdims=0)

    size = ["batch", _SIDE, _SIDE]
    made = helper.make_graph(
        graph.nodes,
        "bisenet",
        [helper.make_tensor_value_info("photos", onnx.TensorProto.UINT8, [*size, 3])],
        [helper.make_tensor_value_info(mask, onnx.TensorProto.INT64, size)],
        graph.weights,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


def main(argv: list[str]) -> None:
    """Runs the script."""
    refuse_arguments(argv)
    with usage_errors():
        output = output_file(FLAGS.output)
        parsers = {name: _parser(*name.split()) for name in _OURS}
    options = onnxruntime.SessionOptions()
    # Else its threads take the cores from whoever is timed next.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    session = onnxruntime.InferenceSession(
        bisenet(), options, providers=["CPUExecutionProvider"]
    )
    record: dict = {"machine": machine(), "model": FLAGS.model, "batches": {}}
    for batch in FLAGS.batch:
        photos = np.stack([*draw_photos(batch, (_SIDE, _SIDE))])
        functions: dict[str, Callable[[], Any]] = {
            "BiSeNet": lambda p=photos: session.run(None, {"photos": p}),
            **{n: lambda f=f, p=photos: f(p) for n, f in parsers.items()},
        }
        timings = time_in_turn(functions, FLAGS.runs)
        first = timings["BiSeNet"].median
        print(f"\nbatch {batch}{'':<20}{'ms a face':>12}{'times faster':>14}")
        rows = {}
        for name, timing in timings.items():
            ms, times = 1000.0 * timing.median / batch, first / timing.median
            rows[name] = {"ms": ms, "times_faster": times}
            print(f"{name:<27}{ms:12.1f}{times:14.2f}")
        record["batches"][batch] = rows
    panels = {f"batch {batch}": rows for batch, rows in record["batches"].items()}
    save_record(record, output, panels, "ms a face")


def _parser(engine: str, precision: str) -> FaceParser:
    """Loads ours; it parses photos as they are, as BiSeNet does."""
    return FaceParser(FLAGS.model, find_faces=False, engine=engine, precision=precision)


if __name__ == "__main__":
    define_flags()
    flags.mark_flag_as_required("model")
    app.run(main)

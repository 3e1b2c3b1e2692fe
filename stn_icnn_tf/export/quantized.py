"""8-bit convs for ONNX Runtime.

The ranges of what they read and give are measured on drawn faces: no photos are needed.
"""

import pathlib
import tempfile
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from PIL import Image

from stn_icnn_tf.drawn_faces.drawing import MIN_SIDE, draw_photos
from stn_icnn_tf.extras import needs_extra

# What adds, limits or resizes what convs give.
_BETWEEN_CONVS = ["Add", "Relu", "MaxPool", "Resize"]
# What only moves numbers.
_MOVES = ["Transpose", "Reshape"]

# Drawn faces by which ranges are measured.
_FACES = 24


def drawn_photos(side: int) -> list[np.ndarray]:
    """Draws square photos of faces, uint8 `(side, side, 3)` each."""
    drawn = draw_photos(_FACES, (max(side, MIN_SIDE),) * 2)
    return [np.asarray(Image.fromarray(photo).resize((side, side))) for photo in drawn]


def with_8_bit_convs(
    content: bytes, inputs: Iterable[Mapping[str, np.ndarray]]
) -> bytes:
    """Lets the convs of an ONNX file compute with 8 bits.

    Weights are rounded channel by channel; what a conv reads and gives, by its range.
    All else computes as before, and so do the convs that give logits: of 256 of these,
    probabilities would be too sure.

    Args:
        content: of the file, float32.
        inputs: name -> value, of the calls by which the ranges are measured.

    Returns:
        the content of the new file; it has a third of the bytes.

    Raises:
        ImportError: if the extra `onnx` is missing.
    """
    onnx, quantization = _quantization_modules()
    model = onnx.load_from_string(content)
    # What its preprocessing would do, the converter did. Else it warns of that.
    quantization.quant_utils.add_pre_process_metadata(model)
    with tempfile.TemporaryDirectory() as folder:
        source, target = (pathlib.Path(folder) / name for name in ("from", "to"))
        source.write_bytes(model.SerializeToString())
        quantization.quantize_static(
            str(source),
            str(target),
            _Calls(inputs),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=["Conv", *_BETWEEN_CONVS],
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            nodes_to_quantize=nodes_of_8_bits(model.graph.node),
        )
        return target.read_bytes()


def nodes_of_8_bits(nodes: Iterable[Any]) -> list[str]:
    """Names the convs of an ONNX graph but the `logit_convs`, and what lies between.

    That is all that reads only what such convs, or others of these, have made.
    """
    nodes = list(nodes)
    logits = set(logit_convs(nodes))
    names: list[str] = []
    made: set[str] = set()
    for node in nodes:  # In the order in which they run.
        is_conv = node.op_type == "Conv" and node.name not in logits
        reads_made = made.issuperset(_read(node))
        if is_conv or (node.op_type in _BETWEEN_CONVS and reads_made):
            names.append(node.name)
        elif not (node.op_type in _MOVES and node.input[0] in made):
            continue
        made.update(node.output)
    return names


def _read(node: Any) -> list[str]:
    # What else a resize reads is how large the result is.
    return list(node.input)[: 1 if node.op_type == "Resize" else None]


def logit_convs(nodes: Iterable[Any]) -> list[str]:
    """Names the convs of an ONNX graph between which and a softmax is no other.

    A softmax may be written out, by its exponentials.
    """
    nodes = list(nodes)
    made_by = {output: node for node in nodes for output in node.output}
    names, seen = [], set()
    to_see = [
        name
        for node in nodes
        if node.op_type in ("Softmax", "Exp")
        for name in node.input
    ]
    while to_see:
        name = to_see.pop()
        if name not in made_by or name in seen:
            continue
        seen.add(name)
        node = made_by[name]
        if node.op_type == "Conv":
            names.append(node.name)
        elif node.op_type not in ("Gemm", "MatMul"):
            to_see.extend(node.input)
    return names


class _Calls:
    """What `quantize_static` reads the inputs from."""

    def __init__(self, inputs: Iterable[Mapping[str, np.ndarray]]) -> None:
        self._inputs = iter(inputs)

    def get_next(self) -> Mapping[str, np.ndarray] | None:
        return next(self._inputs, None)


def _quantization_modules() -> tuple[Any, Any]:
    with needs_extra('precision="int8" needs onnx and onnxruntime', "onnx"):
        import onnx
        import onnxruntime.quantization
    return onnx, onnxruntime.quantization

"""What a new run takes from a model that is there already."""

import keras
from absl import logging

from stn_icnn_tf.models.stn_icnn import StnIcnn
from stn_icnn_tf.pretrained import differing_arguments


def copy_weights(start: StnIcnn, model: StnIcnn) -> None:
    """Gives a model the weights of another, whose patches may have another size.

    A model of other classes, or of another kind of nets, starts from the networks that
    have the same shapes in both; the others keep what the seed gave them.

    Args:
        start: has the weights.
        model: gets them.

    Raises:
        ValueError: if networks of the same classes and kind have other shapes, or all
            have.
    """
    differing = ", ".join(
        f"{name}={theirs} for {mine}"
        for name, (mine, theirs) in differing_arguments(model, start).items()
        if name != "class_set"
    )
    mine, theirs = _networks(model), _networks(start)
    alike = {
        name: name in theirs
        and [w.shape for w in theirs[name].weights] == [w.shape for w in net.weights]
        for name, net in mine.items()
    }
    bound = _bound(start, model)
    if not (any(alike.values()) and all(alike[name] for name in bound)):
        raise ValueError(
            "Argument `init_from` must hold a model whose weights have the shapes of "
            f"the new one's. Received: {differing}"
        )
    if differing:
        logging.warning("The model started from has %s", differing)
    for name, net in mine.items():
        if alike[name]:
            net.set_weights(theirs[name].get_weights())
    fresh = [name for name, same in alike.items() if not same]
    if fresh:
        logging.warning("Started from the seed, not from that model: %s", fresh)


def _bound(start: StnIcnn, model: StnIcnn) -> list[str]:
    """Names the networks of the same classes and kind: their shapes must agree."""
    if model.class_set != start.class_set:
        return []
    bound = ["localization"]
    if model.coarse_net == start.coarse_net:
        bound.append("coarse")
    if model.part_net == start.part_net:
        bound.extend(model.part_nets)
    return bound


def _networks(model: StnIcnn) -> dict[str, keras.layers.Layer]:
    networks = {"coarse": model.coarse, "localization": model.localization}
    return {**networks, **model.part_nets}

"""Stores the model of a run in half the space: what is shipped, or sent by mail.

python -m trainers.store --model=runs/helen --output=helen.keras
"""

from absl import app, flags

from stn_icnn_tf.pretrained import load_model, save_compact
from trainers.flags_common import define_model_flag, refuse_arguments, usage_errors

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    define_model_flag()
    flags.DEFINE_string("output", None, "The .keras file to write.")


def main(argv: list[str]) -> None:
    """Runs the script."""
    refuse_arguments(argv)
    with usage_errors():
        save_compact(load_model(FLAGS.model), FLAGS.output)
    print(f"Model: {FLAGS.output}")


if __name__ == "__main__":
    define_flags()
    flags.mark_flags_as_required(["model", "output"])
    app.run(main)

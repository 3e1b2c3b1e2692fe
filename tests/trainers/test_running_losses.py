import pytest

from trainers.training.running_losses import RunningLosses


class Scalar:
    """A scalar on a device, which notes that it was read."""

    def __init__(self, value, read):
        self.value, self.read = value, read

    def __float__(self):
        self.read.append(self.value)
        return self.value


def where(step):
    return f"at step {step}."


def test_losses_are_read_late_and_none_is_left_out():
    read = []
    losses = RunningLosses(where, seconds=3600)
    for step, value in enumerate((1.0, 2.0, 6.0)):
        losses.add(step, {"loss": Scalar(value, read)})
    assert read == [] and losses.loss is None
    assert losses.means() == {"loss": 3.0}
    assert read == [1.0, 2.0, 6.0] and losses.loss == 3.0


def test_after_the_time_all_that_wait_are_read():
    losses = RunningLosses(where, seconds=0)
    losses.add(0, {"loss": 1.0, "coarse_loss": 3.0})
    assert losses.loss == 1.0
    losses.add(1, {"loss": 2.0, "coarse_loss": 5.0})
    assert losses.means() == {"loss": 1.5, "coarse_loss": 4.0}


def test_a_loss_that_is_read_late_is_named_by_its_own_step():
    losses = RunningLosses(where, seconds=3600)
    for step, value in enumerate((1.0, float("nan"), 2.0)):
        losses.add(step, {"loss": value})
    with pytest.raises(FloatingPointError, match="The loss is nan at step 1."):
        losses.means()

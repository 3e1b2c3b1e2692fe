"""What a run can be stopped by that its user can mend."""


class RunError(ValueError):
    """A run folder that cannot be trained in: the message says why, and the way out."""

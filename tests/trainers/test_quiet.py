"""What scripts keep from the terminal, and what they do not."""

import os
import subprocess
import sys

import pytest
from absl import flags, logging

from trainers.common import quiet


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], None),
        (["--verbosity=1"], 1),
        (["--verbosity", "-1", "--model=m"], -1),
        (["-v=0", "--verbosity=2"], 2),
        (["-v", "1"], 1),
        (["--verbosity=much"], None),
        (["--verbosity"], None),
        (["--version=1"], None),
    ],
)
def test_verbosity_is_read_before_the_flags_are(arguments, expected):
    assert quiet.given_verbosity(["-m", *arguments]) == expected


FILTERED = """
import os
from trainers.common.quiet import filter_stderr
end = filter_stderr("^I0000 ")
os.write(2, b"I0000 noise\\nE0000 an error\\n")
"""


@pytest.mark.parametrize(
    ("then", "expected"),
    [
        ("end(); os.write(2, b'I0000 later\\n')", "E0000 an error\nI0000 later\n"),
        ("os.abort()", "E0000 an error\n"),
    ],
)
def test_lines_are_dropped_until_the_end_and_errors_outlive_a_crash(then, expected):
    result = subprocess.run(
        [sys.executable, "-c", FILTERED + then], capture_output=True, text=True
    )
    assert result.stderr == expected


@pytest.fixture
def run_quietly(monkeypatch):
    """Runs it as in a script; gives TensorFlow's level, and if lines are dropped."""
    verbosity = flags.FLAGS["verbosity"]
    before, verbosity.value = verbosity.value, logging.INFO

    def run(*argv, level=None):
        dropped = []
        monkeypatch.setattr(quiet, "filter_stderr", dropped.append)
        monkeypatch.setattr(quiet.app, "call_after_init", lambda call: None)
        monkeypatch.setattr(sys, "argv", list(argv))
        monkeypatch.delenv(quiet.LEVEL)
        if level is not None:
            monkeypatch.setenv(quiet.LEVEL, level)
        quiet.quiet_libraries()
        return os.environ[quiet.LEVEL], bool(dropped)

    yield run
    verbosity.value = before


@pytest.mark.parametrize(
    ("argv", "level", "expected", "verbosity"),
    [
        (["-m"], None, ("2", True), logging.WARNING),
        (["-m"], "0", ("0", False), logging.WARNING),
        (["-m"], "3", ("3", True), logging.WARNING),
        (["-m", "--verbosity=1"], None, ("0", False), logging.INFO),
        (["-m", "--verbosity=1"], "2", ("2", True), logging.INFO),
        (["-m", "--verbosity=-1"], None, ("1", True), logging.INFO),
        (["bin/face-parse", "me.jpg"], None, ("2", True), logging.WARNING),
        # No script of ours: nothing but the level.
        (["notebook", "--verbosity=1"], None, ("2", False), logging.WARNING),
    ],
)
def test_level_is_the_users_if_there_is_one(
    run_quietly, argv, level, expected, verbosity
):
    assert run_quietly(*argv, level=level) == expected
    assert flags.FLAGS["verbosity"].value == verbosity  # Given ones absl reads itself.

"""Changes the code in one place at a time, and asks which changes no test notices.

  make mutants                       # all of `MODULES`
  make mutants MODULE=losses         # one of them

Cosmic Ray makes the mutants. Each is tested in a process that is forked off this one,
which has only imported the libraries: that takes a second instead of ten, and no file
is touched. The first test that fails ends it, and the fastest tests come first.

What was tried stands in mutants.jsonl, and is not tried again while the module stays as
it is, nor, if it survived, while the tests do; without that file all is tried anew.
docs/mutants.md says of each that survives why it may.
"""

import collections
import difflib
import gc
import hashlib
import importlib.abc
import importlib.machinery
import json
import os
import pathlib
import signal
import sys
import tempfile
import time

# Imported, but not used: a process that ran an operation cannot be forked.
import keras  # noqa: F401
import pytest
import tensorflow as tf  # noqa: F401
from cosmic_ray import plugins
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code

ROOT = pathlib.Path(__file__).parents[1]
RESULTS = ROOT / "mutants.jsonl"

CENTROIDS = (
    "windows_lie_on_the_centroids_in_whole_pixels",
    "windows_are_brought_to_the_source",
    "width_and_height_of_the_source_are_each_their_own",
    "face_windows_grow_with_the_spread_of_what_was_found",
    "an_absent_part_falls_back_and_moves_nothing_else",
    "stray_pixels_do_not_make_a_face_of_no_size",
)

# Name -> its module, and the tests that are to notice: fast ones.
MODULES = {
    "affine": ("stn_icnn_tf/geometry/affine.py", ["tests/geometry/test_affine.py"]),
    "letterbox": (
        "stn_icnn_tf/geometry/letterbox.py",
        ["tests/geometry/test_letterbox.py"],
    ),
    "paste_back": (
        "stn_icnn_tf/geometry/paste_back.py",
        [
            "tests/geometry/test_affine.py",
            "tests/inference/test_fixed_size.py::"
            "test_pasting_whole_gives_the_same_mask",
        ],
    ),
    "windows": ("stn_icnn_tf/geometry/windows.py", ["tests/geometry/test_windows.py"]),
    "cropper": (
        "stn_icnn_tf/layers/learned_crop.py",
        [
            "tests/geometry/test_windows.py",
            "tests/geometry/test_affine.py",
            *(f"tests/trainers/test_croppers.py::test_{name}" for name in CENTROIDS),
        ],
    ),
    "metrics": ("stn_icnn_tf/metrics.py", ["tests/test_metrics.py"]),
    "losses": ("stn_icnn_tf/losses.py", ["tests/test_losses.py"]),
}

# One way of being wrong for each thing that can be: of the twelve operators that a sum
# could be, ten are noticed by whatever notices a difference.
OPERATORS = [
    *(f"ReplaceBinaryOperator_{pair}" for pair in ("Add_Sub", "Sub_Add", "Mul_Div")),
    *(f"ReplaceBinaryOperator_{pair}" for pair in ("Div_Mul", "FloorDiv_Div")),
    *(f"ReplaceBinaryOperator_{pair}" for pair in ("BitAnd_BitOr", "BitOr_BitAnd")),
    *(f"ReplaceComparisonOperator_{pair}" for pair in ("Lt_LtE", "LtE_Lt")),
    *(f"ReplaceComparisonOperator_{pair}" for pair in ("Gt_GtE", "GtE_Gt")),
    *(f"ReplaceComparisonOperator_{pair}" for pair in ("Eq_NotEq", "NotEq_Eq")),
    *(f"ReplaceComparisonOperator_{pair}" for pair in ("Is_IsNot", "IsNot_Is")),
    "ReplaceUnaryOperator_Delete_USub",
    "ReplaceUnaryOperator_Delete_Not",
    "ReplaceUnaryOperator_Delete_Invert",
    "AddNot",
    "ReplaceTrueWithFalse",
    "ReplaceFalseWithTrue",
    "ReplaceAndWithOr",
    "ReplaceOrWithAnd",
    "NumberReplacer",
    "ZeroIterationForLoop",
]


class _Mutated(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives one module another source."""

    def __init__(self, path: str, source: str) -> None:
        self.path, self.source = path, source
        self.name = path.removesuffix(".py").replace("/", ".")

    def find_spec(self, name, path=None, target=None):
        if name != self.name:
            return None
        return importlib.machinery.ModuleSpec(name, self, origin=self.path)

    def exec_module(self, module):
        module.__file__ = str(ROOT / self.path)
        exec(compile(self.source, module.__file__, "exec"), module.__dict__)


def mutants_of(source):
    """Yields each mutant: operator, where it is, and the source."""
    tree = get_ast(source)
    for name in OPERATORS:
        operator = plugins.get_operator(f"core/{name}")()
        places = [
            start
            for node in ast_nodes(tree)
            for start, _ in operator.mutation_positions(node)
        ]
        for occurrence, (line, _) in enumerate(places):
            yield name, line, mutate_code(source, operator, occurrence)


class _FastestFirst:
    """A plugin of pytest: runs the tests in the order of their seconds.

    Args:
        seconds: a file of JSON, test -> seconds; is written if it is not there.
    """

    def __init__(self, seconds: pathlib.Path) -> None:
        self.path, self.measured = seconds, {}
        self.known = json.loads(seconds.read_text()) if seconds.exists() else None

    def pytest_collection_modifyitems(self, items):
        if self.known is not None:
            items.sort(key=lambda item: self.known.get(item.nodeid, 0.0))

    def pytest_runtest_logreport(self, report):
        seconds = self.measured.get(report.nodeid, 0.0) + report.duration
        self.measured[report.nodeid] = seconds

    def pytest_sessionfinish(self):
        if self.known is None:
            self.path.write_text(json.dumps(self.measured))


# Nothing that only costs time: other plugins, rewritten asserts, collecting garbage.
_OPTIONS = (
    *("-x", "-q", "--assert=plain", "-p", "no:cacheprovider"),
    *("-p", "no:unraisableexception", "-p", "no:threadexception"),
)


def run_tests(path, source, tests, seconds, order):
    """Runs tests on a source in a process of its own: `passed`, `failed`, `late`."""
    sys.stdout.flush()
    gc.freeze()
    pid = os.fork()
    if pid == 0:
        code = 3
        try:
            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, 1)
            os.dup2(quiet, 2)
            sys.meta_path.insert(0, _Mutated(path, source))
            code = pytest.main([*_OPTIONS, *tests], [_FastestFirst(order)])
        finally:
            os._exit(int(code))
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return "passed" if status == 0 else "failed"
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return "late"


def change(source, mutant):
    """Returns what a mutant changes, as a line before and a line after."""
    lines = difflib.ndiff(source.splitlines(), mutant.splitlines())
    return " ".join(line.strip() for line in lines if line[:2] in ("- ", "+ "))


def read_results():
    """Reads what was tried: key of a mutant -> its record, the last one."""
    if not RESULTS.exists():
        return {}
    records = [json.loads(line) for line in RESULTS.read_text().splitlines()]
    return {record["key"]: record for record in records}


def main(names):
    """Tries the mutants of some modules, or all; prints those that survive."""
    os.chdir(ROOT)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    known = read_results()
    for name in names or MODULES:
        with tempfile.TemporaryDirectory() as folder:
            order = pathlib.Path(folder) / "seconds.json"
            count = try_module(name, known, order)
        print(f"{name}: {sum(count.values())} mutants, {count['passed']} survive")


def try_module(name, known, order):
    """Tries the mutants of a module that are not `known`; counts the results."""
    path, tests = MODULES[name]
    source = (ROOT / path).read_text()
    files = dict.fromkeys(test.partition("::")[0] for test in tests)
    tested = _hash("".join((ROOT / file).read_text() for file in files))
    start = time.monotonic()
    if run_tests(path, source, tests, 3600, order) != "passed":
        sys.exit(f"{name}: the tests fail on the code as it is.")
    # A loop without an end; the machine may be busier later.
    seconds = 60 + 10 * (time.monotonic() - start)
    count = collections.Counter()
    for operator, line, mutant in mutants_of(source):
        key = _hash(path + mutant)
        record = known.get(key)
        # More tests may notice what survived, and still notice what they noticed.
        if not record or (record["result"] == "passed" and record["tests"] != tested):
            record = known[key] = {
                "key": key,
                "tests": tested,
                "module": name,
                "line": line,
                "operator": operator,
                "change": change(source, mutant),
                "result": run_tests(path, mutant, tests, seconds, order),
            }
            with RESULTS.open("a") as file:
                file.write(json.dumps(record) + "\n")
        count[record["result"]] += 1
        if record["result"] == "passed":
            print(f"{path}:{line}: {record['change']}", flush=True)
    return count


def _hash(text):
    return hashlib.sha256(text.encode()).hexdigest()[:16]


if __name__ == "__main__":
    main(sys.argv[1:])

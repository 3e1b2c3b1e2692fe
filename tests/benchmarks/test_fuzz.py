"""A part of the fuzz corpus, and whether the script would notice."""

import itertools
import re

import numpy as np
import pytest
from PIL import Image

from benchmarks import fuzz
from benchmarks.fuzz_files import hostile_files, make_files, whole_files
from tests.helpers import encode, photos


def test_the_corpus_is_made_from_its_seed():
    names = [name for name, _ in make_files(400)]
    assert len(names) == len(set(names)) == 400
    first = dict(make_files(200))
    assert first == dict(make_files(200)) != dict(make_files(200, seed=1))


def test_files_are_right_or_named(tmp_path):
    rng = np.random.default_rng(0)
    whole, hostile = whole_files(rng), hostile_files()
    damaged = itertools.islice(make_files(500), len(whole) + len(hostile), None)
    corpus = {**dict(itertools.islice(whole.items(), 0, None, 9)), **hostile}
    corpus |= dict(itertools.islice(damaged, 12))
    corpus.pop("bomb.png")  # 36 megapixels: only when the whole is run.
    counts, wrong, slowest = fuzz.fuzz(corpus.items(), tmp_path)
    assert not wrong and slowest < fuzz.MOST_SECONDS
    for count in counts.values():
        assert count["right"] and count["named"]
        assert count.total() == len(corpus)


@pytest.mark.parametrize(
    ("pixels", "verdict"),
    [
        (photos(8, 9), "right"),
        (photos(8, 9) // 2, "WRONG: pixels differ"),
        (photos(9, 8), "WRONG: .9, 8, 3. and not"),
        (fuzz.Named("it is bad"), "named"),
        (fuzz.Named(""), "WRONG: no reason"),
        (KeyError("x"), "WRONG: KeyError"),
    ],
)
def test_what_is_wrong_is_noticed(pixels, verdict, tmp_path):
    content = encode(Image.fromarray(photos(8, 9)), "PNG")

    def read(path):
        if isinstance(pixels, Exception):
            raise pixels
        return pixels

    reader = fuzz.Reader(read)
    assert re.match(verdict, fuzz.judge(reader, tmp_path, content))
    if isinstance(pixels, np.ndarray):
        broken = fuzz.judge(reader, tmp_path, content[:60])
        assert broken == "WRONG: Pillow cannot read it"

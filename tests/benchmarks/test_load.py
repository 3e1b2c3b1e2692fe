"""The load test, for a second or two."""

import dataclasses

import numpy as np
import pytest

pytest.importorskip(
    "tensorflow_serving",
    reason="needs tensorflow-serving-api: pip install -e '.[serving]'",
)
from benchmarks import load
from benchmarks.load_cases import SHARES, make_cases


@pytest.fixture(scope="module")
def cases(served):
    return make_cases(load.direct_parser(served[1]), side=128)


@pytest.fixture
def judge(stand_in):
    """Sends cases, and judges the answers."""
    address = f"localhost:{stand_in[1].grpc}"
    transport = load.GrpcTransport(address, "face_parser", None)

    def judge(cases):
        requests = [load.new_request(transport, case) for case in cases]
        return [
            load.ask(transport, case, request, deadline=60.0)[:2]
            for case, request in zip(cases, requests)
        ]

    yield judge
    transport.close()


def test_cases_ask_for_masks_that_differ(cases):
    assert {case.kind for case in cases} == set(SHARES)
    masks = [mask for case in cases for mask in case.masks or () if mask is not None]
    assert all(len(np.unique(mask)) > 2 for mask in masks)
    assert len({mask.tobytes() for mask in masks}) > 4


def test_every_case_is_answered_rightly(cases, judge):
    """Each one once: under load, chance chooses."""
    judged = judge(cases)
    assert all(right for _, right in judged), judged
    assert {answer for answer, _ in judged} == {
        "masks",
        "masks and errors",
        "INVALID_ARGUMENT",
    }


def test_load_on_a_process_of_its_own(cases, served):
    with load.stand_in_process(served[1].parent, "face_parser") as (address, pid):
        record = load.put_under_load(
            address,
            "face_parser",
            cases,
            clients=4,
            seconds=2.0,
            deadline=60.0,
            pid=pid,
        )
    assert record.answers and not record.wrong, load.describe(record)
    assert record.latencies and record.photos >= len(record.latencies)
    assert min(size for _, size in record.memory) > 50 * 2**20
    text = load.describe(record)
    assert "requests/s" in text and "p99" in text and "first quarter" in text


def test_wrong_masks_are_noticed(cases, judge):
    case = next(case for case in cases if case.kind == "broken photos")
    mask = case.masks[0].copy()
    mask[0, 0] += 1
    tampered = [
        dataclasses.replace(case, masks=[mask, *case.masks[1:]]),
        dataclasses.replace(case, masks=[None, *case.masks[1:]]),
        dataclasses.replace(case, masks=[case.masks[0], *case.masks[::2]]),
        dataclasses.replace(case, masks=None),
    ]
    assert judge(tampered) == [("wrong", False)] * 3 + [("not refused", False)]


def test_memory_that_grows_is_noticed():
    seconds = np.arange(0, 60, 0.3)
    flat = load.Record(memory=[(at, 500) for at in seconds])
    assert flat.growth == 0
    # What is allocated in the first quarter does not count.
    early = load.Record(memory=[(at, 300 if at < 10 else 500) for at in seconds])
    assert early.growth == 0
    leaking = load.Record(memory=[(at, 500 + 10 * at) for at in seconds])
    assert leaking.growth == pytest.approx(420 / 650, rel=0.05)
    gap = load.Record(memory=[(0.0, 100), (9.0, 200), (10.0, 300)])
    assert gap.memory_at(0.25) == 100 and gap.memory_at(0.5) == 200

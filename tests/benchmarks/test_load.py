"""The load test, for a second or two."""

import dataclasses
import functools
import shutil

import numpy as np
import pytest

pytest.importorskip(
    "tensorflow_serving",
    reason="needs tensorflow-serving-api: pip install -e '.[serving]'",
)
from benchmarks import load, load_disturbances
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


def test_of_a_file_it_is_asked_what_the_model_says_of_files():
    # Their faces are searched for, those of pixels are not.
    def parse(photo):
        return np.full((2, 2), 7 if isinstance(photo, bytes) else 1, "uint8")

    for case in make_cases(parse, side=128):
        wanted = 7 if case.signature == "serving_bytes" else 1
        for mask in case.masks or ():
            assert mask is None or np.all(mask == wanted)


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


@pytest.mark.slow
def test_load_on_a_process_of_its_own(cases, served, tmp_path, monkeypatch):
    shutil.copytree(served[1], tmp_path / "3")
    # Smaller and fewer of everything; a hundred are enough to see an answer lost.
    for name, values in {
        "slow client": {"seconds": 1.0},
        "vanishing client": {"count": 6},
        "connection": {"count": 100},
        "body of 200 MB": {"megabytes": 20},
    }.items():
        small = functools.partial(load_disturbances.DISTURBANCES[name], **values)
        monkeypatch.setitem(load_disturbances.DISTURBANCES, name, small)
    with load.stand_in_process(tmp_path, "face_parser") as server:
        target = load.Target(server.grpc, server.rest, "face_parser", tmp_path, 120.0)
        record = load.put_under_load(
            server.grpc,
            "face_parser",
            cases,
            clients=4,
            seconds=2.0,
            deadline=120.0,
            pid=server.pid,
            disturbance=functools.partial(load.disturb, target, cases[0]),
        )
    disturbed = {
        (kind, answer): number
        for (kind, answer, _), number in record.answers.items()
        if kind not in SHARES
    }
    assert disturbed == {
        ("slow client", "answered"): 1,
        ("vanishing client", "gone"): 6,
        ("connection", "closed"): 100,
        ("version swap", "available"): 1,
        ("version swap", "let go"): 1,
        ("body of 200 MB", "an error of its own"): 1,
        ("body of 200 MB", "INVALID_ARGUMENT"): 1,
    }
    assert [path.name for path in tmp_path.iterdir()] == ["4"]
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
        dataclasses.replace(case, masks=case.masks[:2]),
        dataclasses.replace(case, masks=[mask[1:], *case.masks[1:]]),
        dataclasses.replace(case, masks=[mask, np.zeros_like(mask), *case.masks[2:]]),
        dataclasses.replace(case, masks=None),
    ]
    pixels = f"1 of {mask.size} pixels of photo 0"
    height, width = mask.shape
    assert judge(tampered) == [
        (f"wrong: {pixels}", False),
        ("wrong: no error of photo 0", False),
        ("wrong: an error of photo 1", False),
        ("wrong: 3 masks, not 2", False),
        (f"wrong: {mask.shape}, not {(height - 1, width)}, of photo 0", False),
        (f"wrong: {pixels}, an error of photo 1", False),
        ("not refused", False),
    ]


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


def test_disturbances_that_go_wrong_are_noticed(cases):
    def fail(see):
        see("slow client", "refused", False)
        raise RuntimeError("lost")

    # Nobody listens there.
    record = load.put_under_load(
        "localhost:9", "face_parser", cases, 1, 0.1, 0.1, disturbance=fail
    )
    assert record.answers["slow client", "refused", False] == 1
    assert record.answers["disturbance", "RuntimeError('lost')", False] == 1
    assert record.wrong >= 3
    seen = []
    target = load.Target("localhost:9", "localhost:9", "face_parser", None, 0.1)
    load.disturb(target, cases[0], lambda *what: seen.append(what))
    assert {kind for kind, _, right in seen if not right} == {
        "slow client",
        "vanishing client",
        "connection",
        "body of 200 MB",
    }

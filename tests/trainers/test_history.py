import json

import pytest

from trainers.training.history import append_epoch, read_history


def line(stage, epoch, loss=0.0):
    return {"stage": stage, "epoch": epoch, "loss": loss}


def losses(folder, stage="coarse"):
    return [(e["epoch"], e["loss"]) for e in read_history(folder)[stage]]


def test_an_epoch_done_again_counts_once_and_ends_what_came_after(tmp_path):
    for epoch, loss in ((1, 3.0), (2, 2.0), (2, 2.5), (3, 1.0)):
        append_epoch(tmp_path, line("coarse", epoch, loss))
    append_epoch(tmp_path, line("parts", 1, 9.0))
    assert losses(tmp_path) == [(1, 3.0), (2, 2.5), (3, 1.0)]
    append_epoch(tmp_path, line("coarse", 1, 4.0))
    assert losses(tmp_path) == [(1, 4.0)]
    assert losses(tmp_path, "parts") == [(1, 9.0)]


@pytest.mark.parametrize("torn", [b'{"stage": "coa', b'{"stage": "c\xff\xfe', b"7"])
def test_a_torn_last_line_costs_that_line_only(tmp_path, torn):
    append_epoch(tmp_path, line("coarse", 1, 3.0))
    with open(tmp_path / "history.jsonl", "ab") as file:
        file.write(torn)
    assert losses(tmp_path) == [(1, 3.0)]
    append_epoch(tmp_path, line("coarse", 2, 2.0))
    assert losses(tmp_path) == [(1, 3.0), (2, 2.0)]
    for text in (tmp_path / "history.jsonl").read_text().splitlines():
        assert json.loads(text)["stage"] == "coarse"


def test_bad_histories_are_named(tmp_path):
    with pytest.raises(ValueError, match="`run_dir`.*nowhere"):
        read_history(tmp_path / "nowhere")
    path = tmp_path / "history.jsonl"
    path.write_text('{"stage": "coa')
    with pytest.raises(ValueError, match="holds an epoch"):
        read_history(tmp_path)
    path.write_text('{"stage": "coa\n' + json.dumps(line("coarse", 1)) + "\n")
    with pytest.raises(ValueError, match=r"Line 1 of .*coa"):
        read_history(tmp_path)


@pytest.mark.parametrize(
    "bad",
    [
        '{"stage": ["coarse"], "epoch": 1}',
        '{"stage": "fine", "epoch": 1}',
        '{"stage": "coarse", "epoch": "one"}',
        '{"stage": "coarse", "epoch": 1, "loss": null}',
        '[{"stage": "coarse", "epoch": 1}]',
        '{"stage": "coarse", "epoch": 2, "lo{"stage": "coarse", "epoch": 2}',
        "\0\0\0\0",
    ],
)
def test_a_line_that_cannot_be_plotted_is_named(tmp_path, bad):
    text = json.dumps(line("coarse", 1, float("nan")))
    (tmp_path / "history.jsonl").write_text(f"{text}\n{bad}\n{text}\n")
    with pytest.raises(ValueError, match="Line 2 of .*history.jsonl must be"):
        read_history(tmp_path)
    # As the last one it is what a killed run wrote.
    (tmp_path / "history.jsonl").write_text(f"{text}\n{bad}")
    ((epoch, loss),) = losses(tmp_path)
    assert epoch == 1 and loss != loss

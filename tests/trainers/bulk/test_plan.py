"""Which photos a bulk run parses, and what of it is done."""

import json

import pytest

pytest.importorskip("apache_beam", reason="needs Beam: pip install -e '.[beam]'")

from stn_icnn_tf.files import UNFINISHED
from trainers.bulk import storage
from trainers.bulk.plan import Settings, list_inputs, make_plan


@pytest.fixture
def model(tmp_path):
    file = tmp_path / "model.keras"
    file.write_bytes(b"weights")
    return file


def files(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return [str(folder / name) for name in names]


def test_inputs_are_folders_patterns_lists_and_photos(tmp_path, monkeypatch):
    a, b, deep, odd = files(tmp_path, "a.jpg", "b.png", "in/deep.jpg", "odd[1].jpg")
    files(tmp_path, "notes.md")
    assert list_inputs([str(tmp_path)]) == [a, b, odd]
    assert list_inputs([f"{tmp_path}/**.jpg"]) == [a, deep, odd]
    assert list_inputs([odd]) == [odd]  # A photo, not a pattern.
    # Once each, where they come first; paths of a list may be relative.
    (tmp_path / "list.txt").write_text(f"in/deep.jpg\n\n{a}\nnot_there.jpg\n")
    monkeypatch.chdir(tmp_path)
    gone = str(tmp_path / "not_there.jpg")  # A dead letter, later.
    assert list_inputs(["list.txt", "*.jpg"]) == [deep, a, gone, odd]
    monkeypatch.setenv("HOME", str(tmp_path))
    assert list_inputs(["~/a.jpg"]) == [a]


@pytest.mark.parametrize("name", ["none.jpg", "*.webp", "none.txt", "empty.txt"])
def test_an_input_of_nothing_is_refused(tmp_path, name):
    files(tmp_path, "empty.txt")
    with pytest.raises(ValueError, match=r"`input` must be .*Received: input="):
        list_inputs([str(tmp_path / name)])


def test_a_plan_has_every_photo_once(tmp_path, model):
    photos = [f"/photos/{index}.jpg" for index in range(7)]
    plan = make_plan(photos, model, Settings("png", 3), str(tmp_path / "out"))
    assert plan.shards == ["00000-of-00003", "00001-of-00003", "00002-of-00003"]
    assert [p for shard in plan.shards for p in plan.photos_of(shard)] == photos
    assert [plan.count([shard]) for shard in plan.shards] == [3, 3, 1]
    assert storage.read(plan.model) == b"weights"
    assert plan.done() == set() and plan.failures() == 0


def test_a_run_goes_on_by_its_plan(tmp_path, model):
    photos, settings = ["/a.jpg", "/b.jpg", "/c.jpg"], Settings("parquet", 2)
    output = tmp_path / "out"
    first = make_plan(photos, model, settings, str(output))
    storage.write_whole(b"done", first.shard_file(first.shards[0]))
    half = output / "shards" / f"{UNFINISHED}1"
    half.write_bytes(b"half")
    again = make_plan(photos, model, settings, str(output))
    assert again == first and again.done() == {first.shards[0]}
    assert not half.exists()


def test_a_killed_plan_is_made_anew(tmp_path, model):
    output = tmp_path / "out"
    make_plan(["/a.jpg"], model, Settings("png", 2), str(output))
    (output / "plan" / "settings.json").unlink()
    plan = make_plan(["/b.jpg", "/c.jpg"], model, Settings("png", 2), str(output))
    assert plan.photos_of(plan.shards[0]) == ["/b.jpg", "/c.jpg"]


def test_another_run_in_the_folder_is_refused(tmp_path, model):
    output, settings = str(tmp_path / "out"), Settings("png", 2)
    plan = make_plan(["/a.jpg", "/b.jpg"], model, settings, output)
    with pytest.raises(ValueError, match=r"differs in photo_paths"):
        make_plan(["/b.jpg", "/a.jpg"], model, settings, output)
    with pytest.raises(ValueError, match=r"find_faces True, now False"):
        make_plan(["/a.jpg", "/b.jpg"], model, Settings("png", 2, False), output)
    model.write_bytes(b"other weights")
    with pytest.raises(ValueError, match=r"differs in model"):
        make_plan(["/a.jpg", "/b.jpg"], model, settings, output)
    storage.write_whole(b"", plan.shard_file(plan.shards[0]))
    (tmp_path / "out" / "plan" / "settings.json").unlink()
    with pytest.raises(ValueError, match="shards without their plan"):
        make_plan(["/a.jpg"], model, settings, output)


def test_failures_are_counted(tmp_path, model):
    plan = make_plan(["/a.jpg"], model, Settings("png", 2), str(tmp_path / "out"))
    letter = json.dumps({"name": "a", "error": "why"}) + "\n"
    for name, count in (("0", 2), ("1", 1)):
        storage.write_whole(
            letter.encode() * count, plan.path("failed", name + ".jsonl")
        )
    assert plan.failures() == 3


@pytest.mark.parametrize(
    ("arguments", "name"), [(("bmp", 2), "format"), (("png", 0), "shard_size")]
)
def test_settings_are_checked(arguments, name):
    with pytest.raises(ValueError, match=f"`{name}` must be"):
        Settings(*arguments)

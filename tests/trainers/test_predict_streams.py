"""Globs, standard input and output, and JSON of `face-parse`."""

import io
import json
import os
import subprocess
import sys
import types

import numpy as np
import pytest
from absl import app
from PIL import Image

from stn_icnn_tf.class_sets import HEAD
from stn_icnn_tf.parsed_face import ParsedFace
from tests.helpers import encode_picture, parsed_flags, photos, shake, small_model
from trainers import predict
from trainers.common.paths import matched_paths
from trainers.common.streams import result_stream


class Parser:
    """Stands in for `FaceParser`, and talks: skin in the middle, hair above it."""

    def __init__(self, *_):
        self.class_set = HEAD

    def __call__(self, photo):
        if isinstance(photo, list):
            return [self(one) for one in photo]
        print("a library talks")
        os.write(1, b"and so does C++\n")
        mask = np.zeros(photo.shape[:2], "uint8")
        mask[5:10, 5:25], mask[10:30, 5:25] = HEAD.id_of("hair"), HEAD.id_of("skin")
        return ParsedFace(photo, mask, class_set=self.class_set)


@pytest.fixture
def run(monkeypatch):
    """Runs the script in this process; gives it what stands on standard input."""

    def run(*arguments, stdin=b""):
        monkeypatch.setattr(predict, "FaceParser", Parser)
        reader = types.SimpleNamespace(buffer=io.BytesIO(stdin))
        monkeypatch.setattr(sys, "stdin", reader)
        flags = [a for a in arguments if str(a).startswith("--")]
        with parsed_flags(predict, *flags):
            inputs = [str(a) for a in arguments if a not in flags]
            predict.main(["face-parse", *inputs])

    return run


PHOTO = encode_picture(photos(40, 60))


def test_globs_are_expanded_where_the_shell_leaves_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("b.jpg", "a.jpg", "a.png", "sub/deep/c.jpg", "odd[1].jpg", "[x]"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert matched_paths("*.jpg") == ["a.jpg", "b.jpg", "odd[1].jpg"]
    assert matched_paths("?.png") == ["a.png"]
    assert matched_paths("**/c.jpg") == ["sub/deep/c.jpg"]
    assert matched_paths("sub/**") == ["sub/deep/c.jpg"]
    assert matched_paths("s*") == ["sub"]
    # Files of that very name, and what is no glob, are left.
    assert matched_paths("odd[1].jpg") == ["odd[1].jpg"]
    assert matched_paths("[x]") == ["[x]"]
    assert matched_paths("none/*.jpg") == ["none/*.jpg"]
    assert matched_paths("none.jpg") == ["none.jpg"]
    monkeypatch.setenv("HOME", str(tmp_path))
    assert matched_paths("~/a.*") == [f"{tmp_path}/a.jpg", f"{tmp_path}/a.png"]


def test_files_folders_and_globs_are_read_once_each(tmp_path, run):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.png", "b.png", "c.jpg"):
        Image.fromarray(photos(40, 60)).save(folder / name)
    run(f"{folder}/*.png", folder / "c.jpg", folder, f"--output={tmp_path / 'masks'}")
    masks = sorted(path.name for path in (tmp_path / "masks").glob("*_mask.png"))
    assert masks == ["a_mask.png", "b_mask.png", "c_mask.png"]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (["https://host/me.jpg"], "nothing is downloaded.*https://host/me.jpg"),
        (["none/*.jpg"], r"`input`.*none/\*.jpg"),
        (["-", "me.jpg"], "`-`, standard input, is one photo"),
        (["-", "--classes=hair", "--cut_out=head"], "one picture.*--output"),
        (["-", "--classes=hair", "--classes=skin"], "one picture.*--output"),
        (["-", "--json", "--tint=hair:red"], "--json need a folder"),
    ],
)
def test_what_does_not_go_is_said_before_the_work(
    inputs, message, run, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(app.UsageError, match=message):
        run(*inputs, stdin=PHOTO)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ([], lambda face: face.mask),
        (["--classes=hair,hat"], lambda face: 255 * face.mask_of("hair")),
        (["--smooth_skin=0.5"], lambda face: face.smooth_skin(0.5)),
        (["--cut_out=head"], lambda face: face.cut_out("head")),
        (
            ["--cut_out=head", "--tint=hair:red"],
            lambda face: face.cut_out("head", photo=face.tint("hair", "red")),
        ),
    ],
)
def test_standard_output_gets_one_picture_and_no_more(
    flags, expected, run, capfdbinary, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    run("-", *flags, stdin=PHOTO)
    captured = capfdbinary.readouterr()
    with Image.open(io.BytesIO(captured.out)) as picture:
        found = np.asarray(picture)
    np.testing.assert_array_equal(found, expected(Parser()(photos(40, 60))))
    assert b"a library talks" in captured.err and b"C++" in captured.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"no picture", PHOTO[:200]])
def test_a_bad_photo_on_standard_input_is_said_and_exits_1(content, run, capfdbinary):
    for flags in ([], ["--json"]):
        with pytest.raises(SystemExit) as exit:
            run("-", *flags, stdin=content)
        assert exit.value.code == 1
        captured = capfdbinary.readouterr()
        assert b"not parsed: " in captured.err
        lines = captured.out.splitlines()
        assert len(lines) == len(flags)
        assert all(json.loads(line)["error"] for line in lines)


def test_a_terminal_gets_no_png(run, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    with pytest.raises(app.UsageError, match="is a terminal"):
        run("-", stdin=PHOTO)


def test_standard_input_goes_into_a_folder_too(run, tmp_path, capfd):
    run("-", f"--output={tmp_path}", "--classes=hair", stdin=PHOTO)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["stdin_hair.png", "stdin_mask.png", "stdin_overlay.png"]
    assert "1 of 1 photos" in capfd.readouterr().out


def test_json_has_a_line_a_photo(run, tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.png").write_bytes(PHOTO)
    (tmp_path / "b.png").write_bytes(b"no picture")
    with pytest.raises(SystemExit):
        run("*.png", "--json")
    first, second = map(json.loads, capfd.readouterr().out.splitlines())
    assert second["photo"] == "b.png" and "identify" in second["error"]
    assert (first["photo"], first["width"], first["height"]) == ("a.png", 60, 40)
    (face,) = first["faces"]
    assert set(face["classes"]) == {"hair", "skin"} and face["parts"] == {}
    hair = face["classes"]["hair"]
    assert (hair["pixels"], hair["box"]) == (100, [5, 5, 25, 10])
    assert (hair["share_of_photo"], hair["share_of_face"]) == (0.041667, 0.25)
    color = photos(40, 60)[5:10, 5:25].mean(axis=(0, 1))
    np.testing.assert_allclose(hair["rgb"], color, atol=0.01)
    # No pictures, unless a folder is named.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]
    run("a.png", "--json", f"--output={tmp_path / 'masks'}")
    assert len(capfd.readouterr().out.splitlines()) == 1
    assert len(list((tmp_path / "masks").iterdir())) == 2


def test_a_reader_that_leaves_ends_it_without_a_traceback():
    with pytest.raises(SystemExit), result_stream():
        raise BrokenPipeError
    print("and standard output is back")


def test_the_command_writes_nothing_but_the_mask(tmp_path):
    model = small_model()
    shake(model)
    model.save(tmp_path / "model.keras")
    flags = ["-", f"--model={tmp_path / 'model.keras'}", "--nofind_faces"]
    command = [sys.executable, "-m", "trainers.predict", *flags]
    result = subprocess.run(command, input=PHOTO, capture_output=True)
    assert result.returncode == 0, result.stderr
    with Image.open(io.BytesIO(result.stdout)) as mask:
        assert mask.mode == "P" and mask.size == (60, 40)
        assert len(np.unique(np.asarray(mask))) > 2
    assert result.stderr == b""

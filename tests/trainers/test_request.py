"""The script that parses photos by a served model, against the stand-in."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from stn_icnn_tf.class_sets import EIGHT_PARTS
from stn_icnn_tf.photos import read_photo
from tests.helpers import decode_picture, encode_picture, photos
from trainers import request
from trainers.common.photos import encoded_photo


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6  # Turned by 90 degrees: 40 x 60 becomes 60 x 40.
    Image.fromarray(photos(40, 60)).save(folder / "a.png")
    Image.fromarray(photos(70, 50)).save(folder / "b.bmp")
    (folder / "broken.jpg").write_bytes(b"no picture")
    Image.fromarray(photos(40, 60)).save(folder / "turned.jpg", exif=exif)
    (folder / "y_half.png").write_bytes(encode_picture(photos(90, 90))[:2000])
    Image.fromarray(photos(64, 64)).save(folder / "z.png")
    return folder


def check_outputs(output, folder, model):
    names = {
        f"{stem}_{kind}.png"
        for stem in ("a", "b", "turned", "z")
        for kind in ("mask", "overlay")
    }
    assert {path.name for path in output.iterdir()} == names
    for name, size in (
        ("a.png", (60, 40)),
        ("b.bmp", (50, 70)),
        ("turned.jpg", (40, 60)),
    ):
        stem = name.partition(".")[0]
        expected = np.array(model(read_photo(folder / name)[None])["mask"])[0]
        with Image.open(output / f"{stem}_mask.png") as mask:
            assert mask.mode == "P" and mask.size == size
            assert tuple(mask.getpalette()[3:6]) == EIGHT_PARTS.palette[1]
            np.testing.assert_array_equal(mask, expected)
        with Image.open(output / f"{stem}_overlay.png") as overlay:
            assert overlay.mode == "RGB" and overlay.size == size


def test_script_names_bad_files_and_exits_1(stand_in, folder, served, tmp_path):
    output = tmp_path / "masks"
    command = [sys.executable, "-m", "trainers.request", f"--input={folder}"]
    command += [f"--address=localhost:{stand_in[1].grpc}", f"--output={output}"]
    result = subprocess.run([*command, "--batch=3"], capture_output=True, text=True)
    assert result.returncode == 1, result.stderr
    assert "broken.jpg: not parsed" in result.stderr
    assert "y_half.png: not parsed" in result.stderr
    assert "4 of 6 photos" in result.stdout
    check_outputs(output, folder, served[0])


def test_both_protocols_write_the_same(connect, folder, served, tmp_path):
    paths = sorted(folder.iterdir())
    with connect() as client:
        failed = request.request_photos(client, paths, tmp_path / "masks", batch=2)
    assert sorted(path.name for path in failed) == ["broken.jpg", "y_half.png"]
    check_outputs(tmp_path / "masks", folder, served[0])


def test_a_late_batch_does_not_stop_the_others(connect, loaded, folder, tmp_path):
    loaded.faults.append(tf.errors.DeadlineExceededError(None, None, "late"))
    paths = [folder / "a.png", folder / "z.png"]
    with connect() as client:
        failed = request.request_photos(client, paths, tmp_path / "masks", batch=1)
    assert list(failed) == [folder / "a.png"] and "late" in failed[folder / "a.png"]
    assert (tmp_path / "masks" / "z_mask.png").is_file()


def test_a_server_that_is_gone_stops_the_rest(connect, loaded, folder, tmp_path):
    loaded.faults.append(tf.errors.UnavailableError(None, None, "gone"))
    paths = [folder / "a.png", folder / "broken.jpg", folder / "z.png"]
    with connect() as client:
        failed = request.request_photos(client, paths, tmp_path / "masks", batch=1)
    assert set(failed) == set(paths)
    assert "gone" in failed[paths[0]] and failed[paths[2]] == "was not sent"


def test_batches_end_at_their_number_and_size(monkeypatch, folder):
    paths = [folder / name for name in ("a.png", "b.bmp", "turned.jpg", "z.png")]

    def lengths(batch):
        batches = request.read_batches(paths, batch, report=None)
        return [len(sent) for sent in batches]

    assert lengths(3) == [3, 1] and lengths(4) == [4]
    monkeypatch.setattr(request, "MAX_BATCH_BYTES", 1)
    assert lengths(4) == [1, 1, 1, 1]


def test_nothing_is_replaced_unless_asked_for(connect, folder, tmp_path):
    output, paths = tmp_path / "masks", [folder / "a.png", folder / "z.png"]
    output.mkdir()
    (output / "a_mask.png").write_bytes(b"mine")
    with connect() as client:
        failed = request.request_photos(client, paths, output, batch=2)
        assert list(failed) == paths[:1] and "--overwrite" in failed[paths[0]]
        assert (output / "a_mask.png").read_bytes() == b"mine"
        assert (output / "z_mask.png").is_file()
        assert not request.request_photos(client, paths, output, 2, overwrite=True)
    assert (output / "a_mask.png").read_bytes() != b"mine"


def test_files_are_sent_as_they_are_unless_turned_or_unknown(folder):
    assert encoded_photo(folder / "a.png") == (folder / "a.png").read_bytes()
    for name in ("turned.jpg", "b.bmp"):
        content = encoded_photo(folder / name)
        assert (
            content.startswith(b"\x89PNG") and content != (folder / name).read_bytes()
        )
        np.testing.assert_array_equal(
            decode_picture(content), read_photo(folder / name)
        )
    plain = folder / "plain.jpg"
    plain.write_bytes(encode_picture(photos(40, 60), "JPEG"))
    assert encoded_photo(plain) == plain.read_bytes()

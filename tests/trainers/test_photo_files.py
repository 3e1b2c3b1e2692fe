"""Which files of a folder are photos, what outputs are called, what is replaced."""

import os

import numpy as np
import pytest
from PIL import Image

from stn_icnn_tf.face_parser import FaceParser
from stn_icnn_tf.parsed_face import ParsedFace
from tests.helpers import encode, odd_exif, photos, small_model
from trainers import predict
from trainers.common.photos import (
    SUFFIXES,
    list_photos,
    output_stems,
    unique_photos,
)

PHOTO = Image.fromarray(photos(24, 36))


def parse(photos):
    """Parses as a model might."""
    return [ParsedFace(p, (p[..., 0] > 200).astype("uint8")) for p in photos]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# ------------------------------------------------------------------------------ listing


def test_what_pillow_reads_is_listed_and_the_rest_said(tmp_path, capsys):
    for name in ("a.jfif", "b.AVIF", "c.heic", "d.JPG", "e.jp2", "._d.JPG"):
        (tmp_path / name).write_bytes(b"")
    for name in ("notes.txt", "clip.mp4", "raw.nef", "more.txt", ".DS_Store"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    os.mkfifo(tmp_path / "pipe.png")
    found = [path.name for path in list_photos(tmp_path)]
    assert found == ["a.jfif", "b.AVIF", "c.heic", "d.JPG", "e.jp2", "gone.png"]
    said = capsys.readouterr().err
    for what in (".txt: 2", ".mp4: 1", ".nef: 1", "folders: 1", ".png: 1"):
        assert what in said
    assert "DS_Store" not in said


def test_every_suffix_that_is_not_a_plug_ins_is_pillows():
    known = Image.registered_extensions()
    assert {s for s in SUFFIXES if s not in known} <= {".heic", ".heif", ".hif", ".jxl"}


def test_masks_and_overlays_of_photos_are_no_photos(tmp_path, capsys):
    for name in (
        *("a.jpg", "a_mask.png", "a_overlay.png", "b.png", "b.png_mask.png"),
        *("lone_mask.png", "c_mask.jpg"),
    ):
        PHOTO.save(tmp_path / name)
    found = [path.name for path in list_photos(tmp_path)]
    assert found == ["a.jpg", "b.png", "c_mask.jpg", "lone_mask.png"]
    assert "masks and overlays of photos: 3" in capsys.readouterr().err
    # A file that is asked for by name is a photo.
    assert list_photos(tmp_path / "a_mask.png") == [tmp_path / "a_mask.png"]


def test_a_folder_without_photos_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("")
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(ValueError, match=r"`input`.*\.jpg"):
            list_photos(path)


@pytest.mark.parametrize(
    ("files", "stems"),
    [
        (["a.jpg", "b.png"], ["a", "b"]),
        (["a.jpg", "a.png", "b.png"], ["a.jpg", "a.png", "b"]),
        (
            ["IMG.jpg", "IMG.jpg.jpg", "IMG.png"],
            ["IMG.jpg", "IMG.jpg.jpg", "IMG.png"],
        ),
        (["x/a.jpg", "y/a.jpg"], ["x_a.jpg", "y_a.jpg"]),
        (["x/y/a.jpg", "z/y/a.jpg"], ["y_a.jpg", "y_a.jpg_2"]),
        (["a.jpg", "A.png"], ["a.jpg", "A.png"]),
        (["a.jpg", "A.JPG"], None),
        (["q/y/a.jpg", "z/y/a.jpg", "y_a.jpg_2.png"], None),
    ],
)
def test_no_two_outputs_are_alike(tmp_path, files, stems):
    found = output_stems([tmp_path / name for name in files])
    assert stems is None or found == stems
    assert len({stem.casefold() for stem in found}) == len(files)


def test_a_photo_that_is_named_twice_is_one(tmp_path):
    twice = [tmp_path / "a.jpg", tmp_path / "x" / ".." / "a.jpg", tmp_path / "b.jpg"]
    assert len(unique_photos(twice)) == 2


# ------------------------------------------------------------------------------ parsing


def test_a_photo_with_odd_exif_data_does_not_stop_the_others(tmp_path):
    for name in ("a", "c"):
        PHOTO.save(tmp_path / f"{name}.jpg")
    PHOTO.save(tmp_path / "b.jpg", exif=odd_exif(6))
    assert not predict.parse_photos(parse, list_photos(tmp_path), tmp_path / "out")
    with Image.open(tmp_path / "out" / "b_mask.png") as mask:
        assert mask.size == (24, 36)
    assert len(names(tmp_path / "out")) == 6


def test_nothing_is_replaced_unless_asked_for(tmp_path, capsys):
    for name in ("a", "b"):
        PHOTO.save(tmp_path / f"{name}.png")
    own = encode(Image.new("L", (36, 24), 7), "PNG")
    (tmp_path / "a_mask.png").write_bytes(own)
    failed = predict.parse_photos(parse, list_photos(tmp_path), tmp_path)
    assert [path.name for path, _ in failed] == ["a.png"]
    assert "a_mask.png is there already, --overwrite" in capsys.readouterr().err
    assert (tmp_path / "a_mask.png").read_bytes() == own
    kept = ["a.png", "a_mask.png", "b.png", "b_mask.png", "b_overlay.png"]
    assert names(tmp_path) == kept
    # The next run takes neither masks nor overlays for photos.
    again = predict.parse_photos(parse, list_photos(tmp_path), tmp_path, overwrite=True)
    assert again == [] and names(tmp_path) == sorted([*kept, "a_overlay.png"])
    assert (tmp_path / "a_mask.png").read_bytes() != own


def test_three_photos_of_one_name_give_three_results(tmp_path):
    for name in ("IMG.jpg", "IMG.png", "IMG.jpg.jpg"):
        PHOTO.save(tmp_path / name)
    assert not predict.parse_photos(parse, list_photos(tmp_path), tmp_path / "out")
    assert len(names(tmp_path / "out")) == 6


def test_an_error_of_the_model_is_not_the_photos(tmp_path):
    PHOTO.save(tmp_path / "a.png")

    def fail(photos):
        raise ValueError("the model is at fault")

    with pytest.raises(ValueError, match="the model is at fault"):
        predict.parse_photos(fail, [tmp_path / "a.png"], tmp_path / "out")


def test_a_result_that_cannot_be_written_is_named(tmp_path, monkeypatch, capsys):
    PHOTO.save(tmp_path / "a.png")

    def full(self, folder, stem):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ParsedFace, "save", full)
    ((path, reason),) = predict.parse_photos(
        parse, [tmp_path / "a.png"], tmp_path / "out"
    )
    assert path.name == "a.png" and "No space left" in reason
    assert "cannot be written" in capsys.readouterr().err


def test_a_deep_grey_photo_has_the_mask_of_its_8_bit_copy():
    parser = FaceParser(small_model(), find_faces=False)
    grey = photos(40, 50)[..., 0]
    deep = encode(Image.fromarray(grey * np.uint16(257)), "PNG")
    mask = parser(deep).mask
    np.testing.assert_array_equal(
        mask, parser(encode(Image.fromarray(grey), "PNG")).mask
    )

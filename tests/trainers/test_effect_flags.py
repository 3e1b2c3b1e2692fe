"""What `trainers.predict` writes besides masks and overlays."""

import csv

import numpy as np
import pytest
from absl import app
from PIL import Image

from stn_icnn_tf.class_sets import EIGHT_PARTS, HEAD
from stn_icnn_tf.parsed_face import ParsedFace
from stn_icnn_tf.photos import read_photo
from tests.helpers import parsed_flags, photos
from trainers import predict
from trainers.common.effect_flags import Effects, Tint
from trainers.common.photos import list_photos


class Parser:
    """Stands in for `FaceParser`: skin in the middle, hair above it."""

    def __init__(self, *_):
        self.class_set = HEAD

    def __call__(self, photo):
        if isinstance(photo, list):
            return [self(one) for one in photo]
        mask = np.zeros(photo.shape[:2], "uint8")
        mask[5:10, 5:25], mask[10:30, 5:25] = HEAD.id_of("hair"), HEAD.id_of("skin")
        return ParsedFace(photo, mask, class_set=self.class_set)


def run(monkeypatch, *arguments):
    monkeypatch.setattr(predict, "FaceParser", Parser)
    with parsed_flags(predict, *arguments):
        predict.main(["predict"])


def test_everything_is_written_past_a_bad_file(tmp_path, monkeypatch, capsys):
    folder, output = tmp_path / "photos", tmp_path / "masks"
    folder.mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6  # 40 x 60 becomes 60 x 40.
    Image.fromarray(photos(40, 60)).save(folder / "turned.jpg", exif=exif)
    (folder / "broken.jpg").write_bytes(b"no picture")
    with pytest.raises(SystemExit):
        run(
            monkeypatch,
            f"--input={folder}",
            f"--output={output}",
            "--classes=hair,hat",
            "--classes=skin",
            "--tint=hair:#a02818:0.5",
            "--tint=lips:crimson",
            "--smooth_skin=1",
            "--cut_out=all",
            f"--regions={tmp_path / 'new' / 'regions.csv'}",
        )
    assert "broken.jpg: not parsed" in capsys.readouterr().err
    ends = "hair+hat skin mask overlay smoothed retouched cutout"
    assert {p.name for p in output.iterdir()} == {
        f"turned_{e}.png" for e in ends.split()
    }
    face = Parser()(read_photo(folder / "turned.jpg"))
    read = {e: np.asarray(Image.open(output / f"turned_{e}.png")) for e in ends.split()}
    np.testing.assert_array_equal(read["hair+hat"], 255 * face.mask_of("hair"))
    assert read["hair+hat"].shape == (60, 40)
    smooth = face.smooth_skin(1.0)
    expected = face.tint("hair", "#a02818", 0.5, smooth)
    expected = face.tint("lips", "crimson", photo=expected)
    np.testing.assert_array_equal(read["retouched"], expected)
    np.testing.assert_array_equal(read["cutout"], face.cut_out("all", photo=expected))
    assert not read["smoothed"][face.mask != HEAD.id_of("skin")].any()
    with (tmp_path / "new" / "regions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["class"] for row in rows] == list(HEAD.names[1:])
    assert {row["photo"] for row in rows} == {str(folder / "turned.jpg")}
    hair = rows[HEAD.id_of("hair") - 1]
    assert (hair["face"], hair["pixels"], hair["share_of_face"]) == ("0", "100", "0.25")
    assert [hair[side] for side in ("left", "top", "right", "bottom")] == [
        "5",
        "5",
        "25",
        "10",
    ]
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["regions.csv"]
    # Nothing of it is input, or replaced.
    (output / "turned.jpg").write_bytes((folder / "turned.jpg").read_bytes())
    assert list_photos(output) == [output / "turned.jpg"]
    (output / "turned_mask.png").unlink()
    (output / "turned_overlay.png").unlink()
    for flag in ("--cut_out=all", "--classes=hair,hat", "--tint=lips:crimson"):
        with pytest.raises(SystemExit):
            run(monkeypatch, f"--input={output}", f"--output={output}", flag)
        assert "is there already" in capsys.readouterr().err
    with pytest.raises(app.UsageError, match="`regions` must be a new file"):
        table = tmp_path / "new" / "regions.csv"
        run(monkeypatch, f"--input={folder}", f"--regions={table}")


def test_a_group_has_rows_a_face():
    mask = np.zeros((20, 20), "uint8")
    faces = [ParsedFace(photos(20, 20), mask, class_set=HEAD) for _ in range(2)]
    group = ParsedFace(photos(20, 20), mask, faces=faces, class_set=HEAD)
    nobody = ParsedFace(photos(20, 20), mask, faces=(), class_set=HEAD)
    effects = Effects(regions="regions.csv")
    assert [row[1] for row in effects.rows(group, "a.jpg")] == [0] * 18 + [1] * 18
    assert effects.rows(nobody, "a.jpg") == []
    assert Effects().rows(group, "a.jpg") == []


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--classes=hair,beard", "`classes` must be of .*classes=beard"),
        ("--classes=", "`classes` must be of"),
        ("--tint=beard:red", "`tint` must be of .*tint=beard"),
        ("--tint=hair", "`tint` must be CLASS:COLOR.*tint=hair"),
        ("--tint=hair:red:much", "`tint` must be CLASS:COLOR"),
        ("--tint=hair:reddish", "`color`.*reddish"),
        ("--tint=hair:red:2", "`strength`.*2"),
        ("--smooth_skin=-1", "`strength`.*-1"),
        ("--cut_out=beard", "`cut_out` must be of .*beard"),
        ("--regions=regions.txt", "`regions` must end in .csv"),
    ],
)
def test_bad_values_are_usage_errors_before_the_work(
    flag, message, tmp_path, monkeypatch
):
    Image.fromarray(photos(40, 40)).save(tmp_path / "a.png")
    output = tmp_path / "masks"
    with pytest.raises(app.UsageError, match=message):
        run(monkeypatch, f"--input={tmp_path}", f"--output={output}", flag)
    assert not list(output.glob("*"))


def test_eight_parts_have_no_skin_and_files_need_names():
    with pytest.raises(ValueError, match="`smooth_skin` must be of .*skin"):
        Effects(smooth_skin=0.5).check(EIGHT_PARTS)
    with pytest.raises(ValueError, match="`cut_out` must be of .*hair"):
        Effects(cut_out=("hair",)).check(EIGHT_PARTS)
    names = ("background", "mask", "../hair")
    odd = type(HEAD)(names, HEAD.palette[:3], ())
    for name in names[1:]:
        with pytest.raises(ValueError, match="a file can be named"):
            Effects(classes=((name,),)).check(odd)
    assert Tint.read("hair,hat:red:0.5") == Tint(("hair", "hat"), (255, 0, 0), 0.5)

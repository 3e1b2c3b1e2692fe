"""Videos on the command line of `face-parse`."""

import fractions
import json

import numpy as np
import pytest
from absl import app
from PIL import Image

from stn_icnn_tf import video_parser
from stn_icnn_tf.class_sets import HEAD
from stn_icnn_tf.clips import ClipWriter, read_clip
from stn_icnn_tf.drawn_faces.drawing import draw_face
from stn_icnn_tf.face_parser import FaceParser
from stn_icnn_tf.parsed_face import ParsedFace
from tests.helpers import parsed_flags, photos, shake, small_model
from tests.test_face_parser import AS_IT_IS
from trainers import predict
from trainers.common import clips as clips_module

pytest.importorskip("av", reason="the extra `video`")

# The frame rate varies.
TIMES = [fractions.Fraction(count, 10) for count in (0, 1, 4, 5)]
SKIN = HEAD.id_of("skin")


class Parser:
    """Stands in for `FaceParser`."""

    def __init__(self, *_):
        self.class_set = HEAD

    def __call__(self, photo):
        if isinstance(photo, list):
            return [self(one) for one in photo]
        return ParsedFace(photo, np.zeros(photo.shape[:2], "uint8"), class_set=HEAD)


class Video:
    """Stands in for `VideoParser`: skin on as many rows as frames were parsed."""

    def __init__(self, parser, steady):
        self.steady = steady
        self.reset()

    def reset(self):
        self.count = 0

    def __call__(self, frame):
        self.count += 1
        mask = np.zeros(frame.shape[:2], "uint8")
        mask[: self.count] = SKIN
        return ParsedFace(frame, mask, class_set=HEAD)


@pytest.fixture
def run(monkeypatch):
    def run(*arguments):
        monkeypatch.setattr(predict, "FaceParser", Parser)
        monkeypatch.setattr(video_parser, "VideoParser", Video)
        arguments = [str(argument) for argument in arguments]
        flags = [a for a in arguments if a.startswith("--")]
        with parsed_flags(predict, *flags):
            predict.main(["face-parse", *(a for a in arguments if a not in flags)])

    return run


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "me.mp4"
    with ClipWriter(path) as writer:
        for time in TIMES:
            writer.write(photos(40, 60), time)
    return path


def test_masks_and_an_overlay_are_written_of_videos_and_photos(
    clip, tmp_path, run, capsys
):
    Image.fromarray(photos(40, 60)).save(tmp_path / "me.png")
    output = tmp_path / "masks"
    run(clip, tmp_path / "me.png", clip, f"--output={output}")
    assert sorted(path.name for path in output.iterdir()) == [
        "me_mask.png",
        "me_masks",
        "me_overlay.mp4",
        "me_overlay.png",
    ]
    masks = sorted((output / "me_masks").iterdir())
    assert [path.name for path in masks] == [f"{n:06d}.png" for n in range(4)]
    for number, path in enumerate(masks):
        with Image.open(path) as mask:
            assert mask.mode == "P" and mask.size == (60, 40)
            assert np.count_nonzero(mask) == 60 * (number + 1)
    assert [frame.time for frame in read_clip(output / "me_overlay.mp4")] == TIMES
    assert "me.mp4: 4 frames" in capsys.readouterr().out


def test_nothing_is_replaced_unless_asked_for(clip, tmp_path, run, capsys):
    output = tmp_path / "masks"
    (output / "me_masks").mkdir(parents=True)
    (output / "me_masks" / "mine.png").touch()
    with pytest.raises(SystemExit):
        run(clip, f"--output={output}")
    assert "me_masks is there already, --overwrite" in capsys.readouterr().err
    assert [path.name for path in output.iterdir()] == ["me_masks"]
    run(clip, f"--output={output}", "--overwrite")
    assert len(list((output / "me_masks").iterdir())) == 4


def test_a_bad_clip_is_named_and_the_others_are_parsed(clip, tmp_path, run, capsys):
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    (tmp_path / "empty.mov").touch()
    output = tmp_path / "masks"
    with pytest.raises(SystemExit) as exit:
        run(
            tmp_path / "bad.mp4",
            tmp_path / "empty.mov",
            f"{tmp_path}/m*.mp4",
            f"--output={output}",
        )
    assert exit.value.code == 1
    said = capsys.readouterr().err
    assert "bad.mp4: not parsed: Invalid" in said
    assert "empty.mov: not parsed: it is empty" in said
    assert sorted(p.name for p in output.iterdir()) == ["me_masks", "me_overlay.mp4"]


def test_what_could_be_read_of_a_damaged_clip_is_there(
    clip, tmp_path, run, capsys, monkeypatch
):
    def damaged(path, camera):
        yield from read_clip(path, camera)
        raise clips_module.ClipError("it is damaged")

    monkeypatch.setattr(clips_module, "read_clip", damaged)
    output = tmp_path / "masks"
    with pytest.raises(SystemExit):
        run(clip, f"--output={output}")
    assert "me.mp4: not parsed whole: it is damaged" in capsys.readouterr().err
    assert len(list((output / "me_masks").iterdir())) == 4


def test_json_has_a_line_a_frame(clip, tmp_path, run, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run("me.mp4", "--json")
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [line["frame"] for line in lines] == [0, 1, 2, 3]
    assert [line["time"] for line in lines] == [0.0, 0.1, 0.4, 0.5]
    assert {line["clip"] for line in lines} == {"me.mp4"}
    pixels = [line["faces"][0]["classes"]["skin"]["pixels"] for line in lines]
    assert pixels == [60, 120, 180, 240]
    assert [path.name for path in tmp_path.iterdir()] == ["me.mp4"]


def test_a_camera_is_read_until_it_is_stopped(tmp_path, run, monkeypatch):
    """FFmpeg draws what the camera sees."""
    monkeypatch.setattr(clips_module.sys, "platform", "linux")
    monkeypatch.setitem(clips_module.CAMERAS, "linux", ("lavfi", "none"))

    class Stopped(Video):
        def __call__(self, frame):
            if self.count == 3:
                raise KeyboardInterrupt
            return super().__call__(frame)

    monkeypatch.setattr(f"{__name__}.Video", Stopped)
    output = tmp_path / "masks"
    run("--webcam", "--camera=testsrc=size=32x24:rate=10", f"--output={output}")
    assert len(list((output / "webcam_masks").iterdir())) == 3
    frames = list(read_clip(output / "webcam_overlay.mp4"))
    assert [frame.pixels.shape for frame in frames] == [(24, 32, 3)] * 3


def test_ctrl_c_in_a_file_leaves_nothing(clip, tmp_path, run, monkeypatch):
    def stop(self, frame):
        raise KeyboardInterrupt

    monkeypatch.setattr(Video, "__call__", stop)
    with pytest.raises(KeyboardInterrupt):
        run(clip, f"--output={tmp_path / 'masks'}")
    assert not list((tmp_path / "masks").iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--classes=hair"], "not of videos.*me.mp4"),
        (["--detect_faces"], "not of videos.*me.mp4"),
        (["--webcam", "--camera="], "`camera` must name one"),
    ],
)
def test_what_videos_have_not_is_said(arguments, message, clip, run, tmp_path):
    with pytest.raises(app.UsageError, match=message):
        run(clip, *arguments, f"--output={tmp_path / 'masks'}")


def test_videos_must_be_on_this_machine(clip, run, bucket):
    with pytest.raises(app.UsageError, match="on this machine: memory://bucket/masks"):
        run(clip, f"--output={bucket / 'masks'}")
    assert not bucket.exists()
    bucket.mkdir()
    (bucket / "me.mp4").write_bytes(clip.read_bytes())
    with pytest.raises(app.UsageError, match="on this machine: memory://bucket/me.mp4"):
        run(bucket / "me.mp4")


def test_whole_heads_are_parsed_by_a_real_model(tmp_path, capfd):
    """Nothing stands in: the masks are those of `FaceParser`, frame by frame."""
    model = small_model(class_set=HEAD, search_thresholds={**AS_IT_IS, "roll": 180.0})
    shake(model)
    model.save(tmp_path / "small.keras")
    clip, output = tmp_path / "head.mp4", tmp_path / "masks"
    drawn = [draw_face(np.random.default_rng(3), (96, 80), HEAD)[0]] * len(TIMES)
    with ClipWriter(clip, crf="0") as writer:
        for time, frame in zip(TIMES, drawn):
            writer.write(frame, time)
    with parsed_flags(
        predict,
        *(f"--model={tmp_path / 'small.keras'}", "--json", "--nosteady"),
        f"--output={output}",
    ):
        predict.main(["face-parse", str(clip)])
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    parse = FaceParser(tmp_path / "small.keras")
    for number, (frame, line) in enumerate(zip(read_clip(clip), lines, strict=True)):
        expected = parse(frame.pixels)
        assert expected.mask.max() > 8 and len(np.unique(expected.mask)) > 3
        with Image.open(output / "head_masks" / f"{number:06d}.png") as file:
            mask, palette = np.asarray(file), file.getpalette()
        assert np.mean(mask == expected.mask) > 0.999
        np.testing.assert_array_equal(
            np.reshape(palette, (-1, 3))[: HEAD.num_classes], HEAD.palette
        )
        classes = line["faces"][0]["classes"]
        assert set(classes) == {HEAD.names[label] for label in np.unique(mask) if label}
    overlay = [frame.pixels.shape for frame in read_clip(output / "head_overlay.mp4")]
    assert overlay == [(96, 80, 3)] * len(TIMES)

"""Reading and writing videos, whole and broken ones."""

import fractions
import itertools
import sys

import numpy as np
import pytest

from stn_icnn_tf.clips import ClipError, ClipWriter, is_clip, read_clip
from tests.helpers import photos

av = pytest.importorskip("av", reason="the extra `video`")

# In halves of tenths of a second: the frame rate varies.
TIMES = [fractions.Fraction(count, 20) for count in (0, 1, 2, 6, 7, 13)]


def picture(number=0):
    """Large patches of colour, upright: what any encoder keeps."""
    small = np.roll(photos(3, 4), number, axis=1)
    return small.repeat(24, axis=0).repeat(24, axis=1)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    with ClipWriter(path) as writer:
        for number, time in enumerate(TIMES):
            writer.write(picture(number), time)
    return path


def test_frames_come_back_at_their_own_times(clip):
    frames = list(read_clip(clip))
    assert [frame.time for frame in frames] == TIMES
    for number, frame in enumerate(frames):
        assert frame.pixels.dtype == np.uint8 and frame.pixels.shape == (72, 96, 3)
        # Colours, too: no other matrix than the file says.
        error = frame.pixels.astype(int) - picture(number)
        assert np.abs(np.median(error, axis=(0, 1))).max() <= 3


def test_odd_sides_are_filled_and_other_sizes_refused(tmp_path):
    path = tmp_path / "odd.mp4"
    with ClipWriter(path) as writer:
        writer.write(picture()[:71, :95], fractions.Fraction(0))
        with pytest.raises(ValueError, match=r"first frame, \(72, 96\).*\(40, 40, 3\)"):
            writer.write(picture()[:40, :40], fractions.Fraction(1))
    (frame,) = read_clip(path)
    assert frame.pixels.shape == (72, 96, 3)


def test_a_phones_rotation_is_heeded(clip, tmp_path):
    content = clip.read_bytes()
    # The matrix of the track: a quarter of a turn clockwise.
    place = content.index(b"tkhd") + 44
    matrix = np.array([0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30], ">i4").tobytes()
    turned = tmp_path / "turned.mp4"
    turned.write_bytes(content[:place] + matrix + content[place + 36 :])
    for frame, upright in zip(read_clip(turned), read_clip(clip), strict=True):
        np.testing.assert_array_equal(frame.pixels, np.rot90(upright.pixels, -1))


def encode(path, count, **options):
    """Writes a video as other programs may."""
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("libx264", 10, {"tune": "zerolatency", "g": "2"})
        stream.width, stream.height = 96, 72
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(picture(number), "rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def test_frames_without_times_follow_the_rate(tmp_path):
    encode(tmp_path / "raw.h264", 4)
    times = [frame.time for frame in read_clip(tmp_path / "raw.h264")]
    assert len(times) == 4 and all(a < b for a, b in itertools.pairwise(times))


def broken(content):
    middle = len(content) // 2
    return {
        "empty.mp4": (b"", "it is empty"),
        "text.mp4": (b"no video" * 100, "Invalid data"),
        "half.mp4": (content[:middle], "Invalid data"),
    }


@pytest.mark.parametrize("name", ["empty.mp4", "text.mp4", "half.mp4"])
def test_a_broken_file_says_why(name, clip, tmp_path):
    content, message = broken(clip.read_bytes())[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ClipError, match=message):
        list(read_clip(tmp_path / name))


def test_no_file_no_frame_and_no_picture_are_named(tmp_path):
    with pytest.raises(ClipError, match="No such file"):
        list(read_clip(tmp_path / "none.mp4"))
    with av.open(str(tmp_path / "sound.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", 8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), "int16"), "s16", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    with pytest.raises(ClipError, match="no pictures"):
        list(read_clip(tmp_path / "sound.wav"))


def test_what_can_be_read_of_a_damaged_file_is(clip, tmp_path):
    path = tmp_path / "damaged.mp4"
    encode(path, 40, movflags="faststart")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 3 // 4])
    frames = []
    with pytest.raises(ClipError, match="frames"):
        for frame in read_clip(path):
            frames.append(frame)
    assert 0 < len(frames) < 40


def test_a_file_that_cannot_be_written_is_an_os_error(tmp_path):
    with (
        pytest.raises(OSError, match="No such file"),
        ClipWriter(tmp_path / "none" / "clip.mp4") as writer,
    ):
        writer.write(picture(), fractions.Fraction(0))


def test_without_pyav_the_extra_is_named(clip, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ImportError, match=r"stn-icnn-tf\[video\]"):
        list(read_clip(clip))


@pytest.mark.parametrize(
    ("name", "expected"), [("a.MP4", True), ("a.webm", True), ("a.jpg", False)]
)
def test_clips_are_told_by_their_names(tmp_path, name, expected):
    assert is_clip(tmp_path / name) == expected

"""Remote storage, in whose place stands fsspec's file system in memory."""

import io
import sys

import fsspec
import numpy as np
import pytest
from PIL import Image

from stn_icnn_tf import files
from stn_icnn_tf.export import saved_model
from stn_icnn_tf.files import (
    as_path,
    is_remote,
    local_copy,
    write_whole,
    written_beside,
)
from stn_icnn_tf.parsed_face import ParsedFace
from stn_icnn_tf.photos import PhotoError, read_photo
from stn_icnn_tf.pretrained import load_model, save_compact
from tests.helpers import encode_picture, photos, small_model
from trainers import predict
from trainers.common.paths import output_file, output_folder
from trainers.common.photos import list_photos, output_stems, unique_photos

pytest.importorskip(
    "upath", reason="needs universal-pathlib: pip install -e '.[cloud]'"
)


def test_remote_paths_are_told_from_local_ones(monkeypatch, tmp_path):
    for text in ("gs://bucket/a", "s3://b/c", "memory://a", "http+x://a"):
        assert is_remote(text)
    for text in ("a/b", "/a", "C:/a", "a://"[:2], b"gs://x", tmp_path):
        assert not is_remote(text)
    monkeypatch.setenv("HOME", "/home/me")
    assert str(as_path("~/a.jpg")) == "/home/me/a.jpg"


def test_unknown_storage_and_missing_packages_are_named(monkeypatch):
    with pytest.raises(ValueError, match="that fsspec knows.*nowhere://a"):
        as_path("nowhere://a")
    monkeypatch.setitem(sys.modules, "upath", None)
    with pytest.raises(ImportError, match=r"memory://.*stn-icnn-tf\[cloud\]"):
        as_path("memory://a")


def test_a_remote_file_is_whole_or_as_it_was(bucket):
    path = bucket / "new" / "a.txt"
    write_whole(b"first", path)
    with pytest.raises(KeyError), written_beside(path) as fresh:
        fresh.write_bytes(b"sec")
        raise KeyError
    assert path.read_bytes() == b"first"
    with local_copy(path) as copy:
        assert copy.name == "a.txt" and copy.read_bytes() == b"first"
    assert not copy.exists()


def test_outputs_in_remote_storage_are_tried_before_the_work(bucket, monkeypatch):
    assert output_folder(str(bucket / "masks")) == bucket / "masks"
    assert output_file(str(bucket / "a" / "scores.json")) == bucket / "a/scores.json"
    assert not [path for path in bucket.rglob("*") if path.is_file()]

    def refuse(*_, **__):
        raise RuntimeError("no right to write")

    monkeypatch.setattr(type(bucket), "write_bytes", refuse)
    with pytest.raises(ValueError, match="`output`.*no right to write"):
        output_folder(str(bucket / "masks"))


def parse(photos):
    return [ParsedFace(p, np.zeros(p.shape[:2], "uint8")) for p in photos]


def test_photos_come_from_remote_storage_and_masks_go_there(bucket):
    picture = photos(24, 36)
    for name in ("a.png", "b.png", "b_mask.png"):
        (bucket / "in" / name).write_bytes(encode_picture(picture))
    (bucket / "in" / "c.jpg").write_bytes(b"no picture")
    listed = unique_photos([*list_photos(bucket / "in"), bucket / "in" / "a.png"])
    assert output_stems(listed) == ["a", "b", "c"]
    np.testing.assert_array_equal(read_photo(str(bucket / "in" / "a.png")), picture)
    ((bad, reason),) = predict.parse_photos(parse, listed, bucket / "out")
    assert bad.name == "c.jpg" and "cannot identify" in reason
    names = sorted(path.name for path in (bucket / "out").iterdir())
    assert names == ["a_mask.png", "a_overlay.png", "b_mask.png", "b_overlay.png"]
    content = (bucket / "out" / "a_mask.png").read_bytes()
    with Image.open(io.BytesIO(content)) as mask:
        assert mask.size == (36, 24)
    again = predict.parse_photos(parse, listed[:1], bucket / "out")
    assert "is there already" in again[0][1]
    with pytest.raises(PhotoError, match="cannot identify"):
        read_photo(bucket / "in" / "c.jpg")
    with pytest.raises(FileNotFoundError):
        read_photo(bucket / "in" / "none.jpg")


class InMemory(fsspec.get_filesystem_class("memory")):
    """Stands in for S3."""

    protocol, root_marker = "s3", ""

    @classmethod
    def _strip_protocol(cls, path):
        return path.removeprefix("s3://").strip("/")


def test_s3_paths_reach_the_file_system_of_that_name(monkeypatch):
    known = sys.modules["fsspec.registry"]._registry
    monkeypatch.setitem(known, "s3", InMemory)
    as_path("s3://bucket/me.png").write_bytes(encode_picture(photos(8, 9)))
    assert isinstance(as_path("s3://bucket").fs, InMemory)
    assert read_photo("s3://bucket/me.png").shape == (8, 9, 3)


def test_a_model_is_saved_in_remote_storage_and_loaded_from_it(bucket):
    model = small_model()
    save_compact(model, str(bucket / "run" / "model.keras"))
    for path in (bucket / "run", str(bucket / "run" / "model.keras")):
        assert load_model(path).get_config()["patch_size"] == model.patch_size
    with pytest.raises(ValueError, match="`model` must be a run folder"):
        load_model(bucket / "none")


def test_an_export_to_remote_storage_ends_with_what_a_server_looks_for(
    bucket, monkeypatch
):
    written = []

    def export(model, output, version, *options):
        folder = output / str(version)
        (folder / "variables").mkdir(parents=True)
        for name in ("saved_model.pb", "variables/variables.index", "z.txt"):
            (folder / name).write_text(f"{model} {options}")
        return folder

    def write(path, content):
        written.append(path.name)
        with path.open("wb") as file:
            file.write(content)

    remotely = saved_model._export_remotely
    monkeypatch.setattr(saved_model, "export_saved_model", export)
    monkeypatch.setattr(type(bucket), "write_bytes", write)
    for version in (1, 2, 2):
        remotely("model", bucket / "served", version, "float32", True)
        assert written.pop() == "saved_model.pb"
    graph = bucket / "served" / "2" / "saved_model.pb"
    assert graph.read_text() == "model ('float32', True)"
    assert saved_model.next_version(str(bucket / "served")) == 3


def test_nothing_of_it_is_imported_for_local_paths(monkeypatch, tmp_path):
    for name in ("upath", "fsspec"):
        monkeypatch.setitem(sys.modules, name, None)
    files.write_whole(b"a", as_path(tmp_path / "a"))
    with local_copy(as_path(str(tmp_path / "a"))) as path:
        assert path == tmp_path / "a"

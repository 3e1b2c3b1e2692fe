import os
import resource
import types

import pytest
from absl import flags

from stn_icnn_tf.files import (
    make_room,
    remove_unfinished,
    write_whole,
    written_beside,
)
from tests.helpers import parsed_flags
from trainers.common.paths import (
    define_path,
    define_paths,
    output_file,
    output_folder,
    refuse_unwritable,
)


def define_flags():
    define_path("one", None, "One.")
    define_paths("more", [], "More.")
    define_path("far", None, "Far.", remote=True)


SCRIPT = types.SimpleNamespace(__name__="script", define_flags=define_flags)


def test_the_home_folder_is_meant_wherever_the_shell_leaves_its_sign(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    with parsed_flags(SCRIPT, "--one=~/runs/a", "--more=~", "--more=b/~c"):
        assert flags.FLAGS.one == "/home/me/runs/a"
        assert flags.FLAGS.more == ["/home/me", "b/~c"]
    with parsed_flags(SCRIPT):
        assert flags.FLAGS.one is None and flags.FLAGS.more == []


@pytest.mark.parametrize("path", ["gs://bucket/run", "s3://b/r", "file:///tmp/run"])
def test_remote_storage_is_refused_by_name(path):
    for name in ("one", "more"):
        with (
            pytest.raises(
                flags.IllegalFlagValueError, match=f"--{name}={path}.*remote"
            ),
            parsed_flags(SCRIPT, f"--{name}={path}"),
        ):
            pass


def test_remote_storage_is_taken_where_it_works(monkeypatch):
    pytest.importorskip("upath")
    monkeypatch.setenv("HOME", "/home/me")
    with parsed_flags(SCRIPT, "--far=memory://bucket/run"):
        assert flags.FLAGS.far == "memory://bucket/run"
    with parsed_flags(SCRIPT, "--far=~/run"):
        assert flags.FLAGS.far == "/home/me/run"
    with (
        pytest.raises(flags.IllegalFlagValueError, match="--far=no://a.*fsspec knows"),
        parsed_flags(SCRIPT, "--far=no://a"),
    ):
        pass


def test_a_user_without_a_home_folder_is_named():
    with (
        pytest.raises(flags.IllegalFlagValueError, match="nobody_of_that_name.*home"),
        parsed_flags(SCRIPT, "--one=~nobody_of_that_name/a"),
    ):
        pass


def test_outputs_are_made_ready(tmp_path):
    path = tmp_path / "new" / "folder" / "scores.json"
    assert output_file(str(path)) == path and path.parent.is_dir()
    assert not path.exists() and not os.listdir(path.parent)
    assert output_folder(tmp_path / "other" / "one").is_dir()


def test_outputs_that_cannot_be_written_are_named(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(ValueError, match="`json` must be a file.*a folder"):
        output_file(tmp_path, "json")
    for check in (output_file, output_folder):
        with pytest.raises(ValueError, match="`json` must be a path.*Not a directory"):
            check(file / "a" / "b", "json")
    with pytest.raises(ValueError, match="`output` must be a path.*File exists"):
        output_folder(file)

    def refuse(**kwargs):
        raise PermissionError(13, "Permission denied", str(kwargs["dir"]))

    # Who runs tests as root may write everywhere.
    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(ValueError, match="`output`.*Permission denied"):
        output_folder(tmp_path)


def test_a_folder_that_could_not_be_written_to_is_named_and_not_made(
    tmp_path, monkeypatch
):
    refuse_unwritable(tmp_path / "new" / "run", "run_dir")
    assert not os.listdir(tmp_path)
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(ValueError, match="`run_dir` must.*file is no folder"):
            refuse_unwritable(path, "run_dir")
    # Who runs tests as root may write everywhere.
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(ValueError, match=f"{tmp_path} cannot be written to"):
        refuse_unwritable(tmp_path / "new", "run_dir")


def test_there_is_room_or_an_error_and_nothing_is_left(tmp_path):
    make_room(tmp_path, 3_000_000)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_500_000, before[1]))
    try:
        make_room(tmp_path, 2_500_000)
        with pytest.raises(OSError, match="File too large"):
            make_room(tmp_path, 2_500_001)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not os.listdir(tmp_path)


def test_a_file_is_whole_or_as_it_was(tmp_path):
    path = tmp_path / "new" / "a.txt"
    write_whole(b"first", path)
    with pytest.raises(KeyError), written_beside(path) as fresh:
        fresh.write_bytes(b"sec")
        raise KeyError
    assert path.read_bytes() == b"first" and os.listdir(path.parent) == ["a.txt"]
    with written_beside(path) as fresh:
        assert fresh.name == "a.txt" and fresh.parent.parent == path.parent
        fresh.write_bytes(b"second")
    assert path.read_bytes() == b"second" and os.listdir(path.parent) == ["a.txt"]
    (path.parent / ".writing-xyz").mkdir()
    (path.parent / ".writing-xyz" / "a.txt").touch()
    remove_unfinished(tmp_path)
    assert os.listdir(path.parent) == ["a.txt"]

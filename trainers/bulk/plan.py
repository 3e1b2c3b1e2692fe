"""Which photos a bulk run parses, in which shards, and which of these are done.

The output folder holds the plan, so that a run that was killed goes on by it:

    plan/settings.json             what the run was asked for
    plan/model.keras               its model
    plan/00000-of-00020.json       the photos of a shard
    shards/00000-of-00020.parquet  what was found in them; it is written last
    masks/00000-of-00020/          their masks, with `--format=png`
    failed/00000-of-00020.jsonl    those that could not be read, and why
"""

import dataclasses
import hashlib
import json
import os
import pathlib
from collections.abc import Collection, Sequence

from apache_beam.io.filesystems import FileSystems

from stn_icnn_tf.files import UNFINISHED, is_remote
from trainers.bulk import storage
from trainers.bulk.shard_files import FORMATS
from trainers.common.photos import list_photos

_SETTINGS, _MODEL = "settings.json", "model.keras"


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the files of a run depend on.

    Attributes:
        format: of the shards, of `FORMATS`.
        shard_size: photos a shard.
        find_faces: see `FaceParser`.
        detect_faces: see `FaceParser`.
        precision: see `FaceParser`.
    """

    format: str
    shard_size: int
    find_faces: bool = True
    detect_faces: bool = False
    precision: str = "float32"

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise ValueError(
                f"Argument `format` must be one of {tuple(FORMATS)}. "
                f"Received: format={self.format}"
            )
        if self.shard_size < 1:
            raise ValueError(
                "Argument `shard_size` must be positive. "
                f"Received: shard_size={self.shard_size}"
            )


@dataclasses.dataclass(frozen=True)
class Plan:
    """A run, as its output folder has it.

    Attributes:
        output: the folder.
        settings: what was asked for.
        photos: how many there are.
    """

    output: str
    settings: Settings
    photos: int

    def path(self, *names: str) -> str:
        """Returns a path in the output folder."""
        return FileSystems.join(self.output, *names)

    @property
    def model(self) -> str:
        """The model's file."""
        return self.path("plan", _MODEL)

    @property
    def shards(self) -> list[str]:
        """The names of all shards."""
        count = -(-self.photos // self.settings.shard_size)
        return [f"{index:05d}-of-{count:05d}" for index in range(count)]

    def shard_file(self, shard: str) -> str:
        """Returns the file that is there once a shard is done."""
        return self.path("shards", f"{shard}.{FORMATS[self.settings.format].suffix}")

    def photos_of(self, shard: str) -> list[str]:
        """Reads which photos a shard has."""
        return json.loads(storage.read(self.path("plan", f"{shard}.json")))

    def count(self, shards: Collection[str]) -> int:
        """Counts the photos of some shards: the last may have fewer."""
        size = self.settings.shard_size
        last = self.photos - (len(self.shards) - 1) * size
        return sum(last if shard == self.shards[-1] else size for shard in shards)

    def done(self) -> set[str]:
        """Finds the shards that are done."""
        found = map(os.path.basename, storage.matches(self.path("shards", "*")))
        names = {name.partition(".")[0] for name in found}
        return names.intersection(self.shards)

    def failures(self) -> int:
        """Counts the photos that could not be read."""
        files = storage.matches(self.path("failed", "*.jsonl"))
        return sum(storage.read(file).count(b"\n") for file in files)


def list_inputs(inputs: Sequence[str]) -> list[str]:
    """Lists photos, each once, in an order that is the same in every run.

    Args:
        inputs: each a photo; a folder of photos; a pattern, `**` crosses folders; or
            a file `.txt` with a path a line.

    Raises:
        ValueError: if one holds nothing, or cannot be read.
    """
    found = [photo for text in inputs for photo in _list_input(text)]
    return list(dict.fromkeys(found))


def _list_input(text: str) -> list[str]:
    path = storage.full_path(text)
    remote = is_remote(path)
    if not remote and os.path.isdir(path):
        return [str(photo) for photo in list_photos(pathlib.Path(path))]
    try:
        if path.endswith(".txt"):
            lines = storage.read(path).decode("utf-8", "surrogateescape").splitlines()
            photos = [storage.full_path(line) for line in lines if line.strip()]
        elif storage.is_glob(path) and (remote or not os.path.exists(path)):
            photos = storage.matches(path)
        else:
            photos = storage.matches(path) if remote else [path]
            photos = [photo for photo in photos if remote or os.path.exists(photo)]
    except OSError as error:
        raise ValueError(
            f"Argument `input` must be readable. Received: input={text}: {error}"
        ) from error
    if not photos:
        raise ValueError(
            "Argument `input` must be a photo, a folder, a pattern or a list (.txt) of "
            f"photos that are there. Received: input={text}"
        )
    return photos


def make_plan(
    photos: Sequence[str], model: pathlib.Path, settings: Settings, output: str
) -> Plan:
    """Writes the plan of a run, or finds that of the run that goes on.

    Args:
        photos: see `list_inputs`.
        model: a `.keras` file.
        settings: what is asked for.
        output: folder.

    Raises:
        ValueError: if the folder holds a run of something else, or files of no run.
    """
    plan = Plan(output, settings, len(photos))
    content = model.read_bytes()
    asked = {
        **dataclasses.asdict(settings),
        "model": hashlib.sha256(content).hexdigest(),
        "photos": len(photos),
        "photo_paths": hashlib.sha256(json.dumps(photos).encode()).hexdigest(),
    }
    settings_file = plan.path("plan", _SETTINGS)
    if FileSystems.exists(settings_file):
        _check_same(json.loads(storage.read(settings_file)), asked, output)
        for folder in ("plan", "shards", "failed"):
            storage.remove_unfinished(plan.path(folder))
        return plan
    if storage.matches(plan.path("shards", f"[!{UNFINISHED[0]}]*")):
        raise ValueError(
            "Argument `output` must be a new folder, or that of a run that goes on. "
            f"Received: output={output}, which holds shards without their plan"
        )
    storage.write_whole(content, plan.model)
    for index, shard in enumerate(plan.shards):
        start = index * settings.shard_size
        part = json.dumps(photos[start : start + settings.shard_size])
        storage.write_whole(part.encode(), plan.path("plan", f"{shard}.json"))
    # Last: without it the plan is made anew.
    storage.write_whole(json.dumps(asked, indent=1).encode(), settings_file)
    return plan


def _check_same(before: dict, asked: dict, output: str) -> None:
    other = [name for name in asked if before.get(name) != asked[name]]
    if other:
        values = ", ".join(
            f"{name} {before.get(name)}, now {asked[name]}" for name in other
        )
        raise ValueError(
            "Argument `output` must be a new folder, or that of a run of the same "
            f"photos, model and flags. Received: output={output}, which differs in "
            f"{values}"
        )

"""Model files from strangers: what is in them is never run, and leads nowhere."""

import json
import os
import pickle
import zipfile

import h5py
import keras
import pytest

from stn_icnn_tf import keras_file, pretrained
from stn_icnn_tf.models.stn_icnn import StnIcnn
from stn_icnn_tf.pretrained import load_model
from tests.helpers import small_model

RAN = "CODE_OF_A_STRANGER"


@pytest.fixture(autouse=True)
def nothing_ran(monkeypatch):
    monkeypatch.delenv(RAN, raising=False)
    yield
    assert RAN not in os.environ


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    path = tmp_path_factory.mktemp("sound") / "model.keras"
    small_model().save(path)
    return path


@pytest.fixture
def lambda_layer():
    return keras.layers.Lambda(
        lambda x: __import__("os").environ.update(CODE_OF_A_STRANGER="yes") or x
    )


def changed(source, target, config=None, members=(), drop=()):
    """Writes a model file again, with another configuration and more members."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "config.json" and config is not None:
                content = config(json.loads(content))
                if not isinstance(content, bytes):
                    content = json.dumps(content)
            if name not in drop:
                new.writestr(name, content)
        for name, content in dict(members).items():
            new.writestr(name, content)
    return target


def with_argument(name, value):
    return lambda saved: {**saved, "config": {**saved["config"], name: value}}


def test_a_lambda_layer_is_not_run(tmp_path, lambda_layer, monkeypatch):
    path = tmp_path / "model.keras"
    keras.Sequential([keras.Input((3,)), lambda_layer]).save(path)
    monkeypatch.delenv(RAN)  # Making the model ran it.
    with pytest.raises(ValueError, match="must hold a StnIcnn.*Sequential"):
        load_model(path)
    assert RAN not in os.environ
    # Nor where the user told Keras to trust what it loads.
    keras.config.enable_unsafe_deserialization()
    try:
        with pytest.raises(ValueError, match="must hold a StnIcnn.*Sequential"):
            load_model(path)
        assert RAN not in os.environ
        # The file is what it should be: loaded by Keras in that state, it runs.
        keras.saving.load_model(path)
    finally:
        keras.src.backend.common.global_state.set_global_attribute(
            "safe_mode_saving", None
        )
    assert os.environ.pop(RAN) == "yes"


@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
@pytest.mark.parametrize("argument", ["activation", "dtype", "name"])
def test_a_function_among_the_arguments_is_not_made(
    sound, tmp_path, lambda_layer, argument, monkeypatch
):
    hidden = keras.saving.serialize_keras_object(lambda_layer.function)
    path = tmp_path / "model.keras"
    changed(sound, path, with_argument(argument, hidden))
    with pytest.raises(ValueError, match="argument is an object, '__lambda__'"):
        load_model(path)
    changed(sound, path, with_argument("class_set", [{"names": [hidden]}]))
    with pytest.raises(ValueError, match="argument is an object, '__lambda__'"):
        load_model(path)
    # Keras's safe mode is a second wall.
    changed(sound, path, with_argument(argument, hidden))
    monkeypatch.setattr(pretrained, "refuse_objects", lambda arguments: None)
    with pytest.raises(ValueError, match="cannot be loaded"):
        load_model(path)


def test_safe_mode_is_asked_for(sound, monkeypatch):
    asked = []

    def load(path, **kwargs):
        asked.append(kwargs)
        raise ValueError("seen")

    monkeypatch.setattr(keras.saving, "load_model", load)
    with pytest.raises(ValueError, match="seen"):
        load_model(sound)
    with pytest.raises(ValueError, match="seen"):
        type(small_model()).from_preset("helen")
    assert [kwargs["safe_mode"] for kwargs in asked] == [True, True]


@pytest.mark.parametrize(
    "saved",
    [
        {"class_name": "__lambda__"},
        {"class_name": "StnIcnn", "registered_name": "Custom>StnIcnn"},
        {"class_name": "InterlinkedCNN", "registered_name": "stn_icnn_tf>StnIcnn"},
        {"class_name": "function", "registered_name": "function"},
    ],
    ids=str,
)
def test_other_classes_are_named_before_they_are_made(sound, tmp_path, saved):
    path = changed(sound, tmp_path / "model.keras", lambda old: {**old, **saved})
    with pytest.raises(ValueError, match=f"a StnIcnn.*{saved['class_name']}$"):
        load_model(path)


@pytest.mark.parametrize(
    "name", ["../out.txt", "/out.txt", "assets/../../out.txt", "..\\out", "C:\\out"]
)
def test_members_that_lead_out_are_refused(sound, tmp_path, name):
    folder = tmp_path / "in"
    folder.mkdir()
    changed(sound, folder / "model.keras", members={name: "out"})
    with pytest.raises(ValueError, match="`model`.*leads out of it"):
        load_model(folder)
    assert os.listdir(tmp_path) == ["in"]
    assert os.listdir(folder) == ["model.keras"]


def test_members_that_stay_inside_are_not(sound, tmp_path):
    path = tmp_path / "model.keras"
    changed(sound, path, members={"notes/..a/b..txt": "in"})
    assert isinstance(load_model(path), StnIcnn)


class _Payload:
    def __reduce__(self):
        return eval, (f"__import__('os').environ.update({RAN}='yes')",)


def test_a_pickle_is_not_read(sound, tmp_path):
    path = tmp_path / "model.keras"
    content = pickle.dumps(_Payload())
    pickle.loads(content)
    assert os.environ.pop(RAN) == "yes"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="`model`.*no .keras file at all"):
        load_model(path)
    # Or one with a sound zip behind it, which alone is read.
    path.write_bytes(content + sound.read_bytes())
    assert isinstance(load_model(path), StnIcnn)


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (lambda saved: b"{", "cannot be loaded"),
        (lambda saved: b"\0" * 2**21, "has 2097152 bytes"),
        (lambda saved: [], "describes no model"),
        (lambda saved: {**saved, "config": []}, "describes no model"),
        (lambda saved: {**saved, "class_name": None}, "describes no model"),
        (with_argument("part_filters", None), "cannot be loaded"),
    ],
)
def test_damaged_configurations_are_named(sound, tmp_path, config, reason):
    path = changed(sound, tmp_path / "model.keras", config)
    with pytest.raises(ValueError, match=f"`model`.*{reason}"):
        load_model(path)


def test_a_file_without_configuration_or_weights_is_named(sound, tmp_path):
    path = changed(sound, tmp_path / "model.keras", drop=["config.json"])
    with pytest.raises(ValueError, match="`model`.*has no config.json"):
        load_model(path)
    changed(sound, path, drop=["model.weights.h5"])
    with pytest.raises(ValueError, match="`model`.*cannot be loaded.*model.weights"):
        load_model(path)


def test_weights_that_point_to_another_file_are_not_read(sound, tmp_path):
    secret, weights = tmp_path / "secret.h5", tmp_path / "model.weights.h5"
    with zipfile.ZipFile(sound) as archive:
        archive.extract(weights.name, tmp_path)
    with h5py.File(weights, "a") as file, h5py.File(secret, "w") as other:
        names = []
        file.visititems(
            lambda name, node: names.append(name) if hasattr(node, "shape") else None
        )
        name = next(name for name in names if name.endswith("vars/0"))
        other["values"] = file[name][()]
        del file[name]
        file[name] = h5py.ExternalLink(str(secret), "/values")
    path = tmp_path / "model.keras"
    members = {weights.name: weights.read_bytes()}
    changed(sound, path, members=members, drop=[weights.name])
    with pytest.raises(ValueError, match="`model`.*cannot be loaded"):
        load_model(path)


def test_plain_arguments_pass():
    keras_file.refuse_objects({"a": [1, "b", None, {"c": [0.5, {"d": True}]}]})

"""The reference: every public name has a docstring and a page."""

import pathlib
import textwrap
import zlib

import pytest

reference = pytest.importorskip("docs.site.reference", reason="the extra `docs`")

import stn_icnn_tf

ROOT = pathlib.Path(__file__).parents[2]


def test_exported_names_are_those_of_the_package():
    package = reference.load_package(ROOT)
    assert sorted(reference.exported_names(package)) == stn_icnn_tf.__all__
    paths = {thing.path for thing in reference.public_objects(package)}
    for name, module in reference.exported_names(package).items():
        assert f"{module}.{name}" in paths


def test_every_public_name_has_a_docstring():
    things = list(reference.public_objects(reference.load_package(ROOT)))
    assert [thing.path for thing in things if not thing.has_docstring] == []
    assert len(things) > 200


def test_every_module_stands_on_one_page():
    package = reference.load_package(ROOT)
    groups = reference.grouped_modules(package)
    listed = [module for modules in groups.values() for module in modules]
    assert len(listed) == len(set(listed))
    files = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "stn_icnn_tf").rglob("*.py")
        if path.name != "__init__.py"
    }
    assert files <= set(listed)


@pytest.fixture
def small(tmp_path):
    """A package with a documented class and all that may lack a docstring."""
    source = '''
    """A package."""

    _MODULES = {"LIMIT": "parts", "Part": "parts"}
    '''
    parts = '''
    """A module."""

    LIMIT = 3
    UNEXPORTED = 4


    class Part:
        """A part."""

        def build(self):
            pass

        def cut(self):
            pass

        @property
        def size(self):
            return 1

        def _private(self):
            pass


    def measure():
        pass
    '''
    package = tmp_path / "stn_icnn_tf"
    package.mkdir()
    (package / "__init__.py").write_text(textwrap.dedent(source))
    (package / "parts.py").write_text(textwrap.dedent(parts))
    return tmp_path


def test_what_lacks_a_docstring_or_a_page_is_named(small):
    names = ("Part", "Part.cut", "Part.size")
    lines = "".join(f"stn_icnn_tf.parts.{name} py:x 1 p.html -\n" for name in names)
    head = b"# a\n# b\n# c\n# d\n"
    (small / "objects.inv").write_bytes(head + zlib.compress(lines.encode()))
    assert sorted(reference.check_reference(small, small)) == [
        "stn_icnn_tf.parts.LIMIT has no docstring",
        "stn_icnn_tf.parts.LIMIT stands on no page",
        "stn_icnn_tf.parts.Part.cut has no docstring",
        "stn_icnn_tf.parts.Part.size has no docstring",
        "stn_icnn_tf.parts.measure has no docstring",
        "stn_icnn_tf.parts.measure stands on no page",
    ]

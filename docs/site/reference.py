"""The reference: a page a group of modules, of their docstrings, by mkdocstrings."""

import pathlib
import zlib
from collections.abc import Iterator

import griffe

PACKAGE = "stn_icnn_tf"

# What these do is Keras's to say; the class says the rest.
KERAS_METHODS = frozenset({"build", "call", "compute_output_shape", "get_config"})

# Page -> its title, and the modules or packages on it. What is named nowhere stands on
# the last one.
GROUPS = {
    "parsing": (
        "Photos in, faces out",
        ("face_parser", "parsed_face", "face_effects", "regions", "class_sets"),
    ),
    "models": ("Models and layers", ("models", "layers", "pretrained")),
    "geometry": ("Geometry", ("geometry",)),
    "training": ("Losses, metrics, data", ("losses", "metrics", "data")),
    "inference": ("Inference and the face search", ("inference",)),
    "export": ("Export, and a client", ("export", "client")),
    "pictures": (
        "Pictures",
        ("visualize", "effects", "matting", "color", "class_groups", "photos"),
    ),
    "rest": ("All else", ()),
}


def load_package(root: pathlib.Path) -> griffe.Module:
    """Reads the package, without importing it."""
    return griffe.load(PACKAGE, search_paths=[str(root)], try_relative_path=False)


def write_reference(root: pathlib.Path, output: pathlib.Path) -> None:
    """Writes the pages of the reference.

    Args:
        root: of the project.
        output: folder for the pages.
    """
    package = load_package(root)
    output.mkdir(parents=True, exist_ok=True)
    top = [
        "# Reference",
        f"`from {PACKAGE} import ...`:",
        "| name | |\n|---|---|\n" + "\n".join(_table_rows(package)),
        "By module:",
        "\n".join(f"- [{title}]({name}.md)" for name, (title, _) in GROUPS.items()),
    ]
    (output / "index.md").write_text("\n\n".join(top) + "\n", encoding="utf-8")
    for name, modules in grouped_modules(package).items():
        blocks = [f"# {GROUPS[name][0]}", *(f"::: {module}" for module in modules)]
        (output / f"{name}.md").write_text("\n\n".join(blocks) + "\n", "utf-8")


def grouped_modules(package: griffe.Module) -> dict[str, list[str]]:
    """Returns the paths of all public modules by the page that they stand on."""
    pages = {name: [] for name in GROUPS}
    order = [(page, part) for page, (_, parts) in GROUPS.items() for part in parts]
    paths = sorted(module.path for module in _modules(package))
    for page, part in order:
        start = f"{PACKAGE}.{part}"
        own = [p for p in paths if p == start or p.startswith(f"{start}.")]
        pages[page] += own
        paths = [path for path in paths if path not in own]
    pages["rest"] += [path for path in paths if path != PACKAGE]
    return pages


def exported_names(package: griffe.Module) -> dict[str, str]:
    """Returns the names that one imports from the package, and where they are made."""
    table = package["_MODULES"].value
    return {
        str(key).strip("'\""): f"{PACKAGE}.{str(value).strip(chr(39) + chr(34))}"
        for key, value in zip(table.keys, table.values)
    }


def public_objects(package: griffe.Module) -> Iterator[griffe.Object]:
    """Yields each public class, function, method and property, and what is exported."""
    exported = {f"{module}.{n}" for n, module in exported_names(package).items()}
    for module in _modules(package):
        for thing in _own_members(module):
            if thing.is_class or thing.is_function or thing.path in exported:
                yield thing
            if thing.is_class:
                for member in _own_members(thing):
                    is_property = "property" in member.labels
                    is_known = member.name in KERAS_METHODS
                    if (member.is_function or is_property) and not is_known:
                        yield member


def check_reference(root: pathlib.Path, site: pathlib.Path) -> list[str]:
    """Returns what is wrong with the names of the built site, a line each.

    Args:
        root: of the project.
        site: the built site.
    """
    objects = list(public_objects(load_package(root)))
    shown = inventory(site / "objects.inv")
    bare = [f"{o.path} has no docstring" for o in objects if not o.has_docstring]
    lost = [f"{o.path} stands on no page" for o in objects if o.path not in shown]
    return bare + lost


def inventory(path: pathlib.Path) -> set[str]:
    """Returns the names in an inventory of Sphinx's form, which mkdocstrings writes."""
    _, _, _, _, packed = path.read_bytes().split(b"\n", 4)
    return {line.split()[0] for line in zlib.decompress(packed).decode().splitlines()}


def _table_rows(package: griffe.Module) -> Iterator[str]:
    for name, module in exported_names(package).items():
        thing = package[f"{module}.{name}".removeprefix(f"{PACKAGE}.")]
        line = thing.docstring.value.splitlines()[0] if thing.docstring else ""
        yield f"| [`{name}`][{thing.path}] | {line} |"


def _modules(package: griffe.Module) -> Iterator[griffe.Module]:
    yield package
    for member in package.members.values():
        if not member.is_alias and member.is_module and not member.name.startswith("_"):
            yield from _modules(member)


def _own_members(parent: griffe.Object) -> Iterator[griffe.Object]:
    """Yields the public members of a module or class that are no imports."""
    for name, member in parent.members.items():
        if not member.is_alias and not name.startswith("_") and not member.is_module:
            yield member

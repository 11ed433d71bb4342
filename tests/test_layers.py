"""The core knows no host, names itself only relatively, and its imports point one way."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

CORE = Path(__file__).parents[1] / "gpen_core"

# A module imports from the lines above its own, and nothing from its own or those below.
LAYERS = [
    {"errors"},
    {"runtime"},
    {"images", "checkpoints"},
    {"faces", "network"},
    {"geometry"},
    {"compositing", "upscaling"},
    {"model_files"},
    {"downloads", "detection", "restorers"},
    {"restoration", "spandrel_arch"},
    {"tasks", "conversion"},
    {"__init__"},
    {"bench"},
    {"cli"},
    {"__main__"},
]
HEIGHT = {name: height for height, names in enumerate(LAYERS) for name in names}
PACKAGES = ("gpen_core", "nodes", "gpen_webui")
HOSTS = {"comfy", "comfy_api", "comfy_extras", "folder_paths", "nodes", "server", "execution"}
HOSTS |= {"modules", "modules_forge", "backend", "ldm_patched", "scripts", "launch", "gradio"}


def modules():
    """Each module of the core by its dotted name inside the core, with its syntax tree."""
    for path in sorted(CORE.rglob("*.py")):
        parts = path.relative_to(CORE).with_suffix("").parts
        yield parts, ast.parse(path.read_text(encoding="utf-8"), str(path))


def absolute_imports(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module


def relative_imports(parts, tree):
    """The modules of the core that a module imports, as tuples of names."""
    yield from named_in(ast.walk(tree), parts)


def imports_at_once(parts, tree):
    """Those of them that it imports when it is imported itself, as tuples of names."""
    yield from named_in(run_at_import(tree), parts)


def run_at_import(tree):
    """The statements of a module outside functions, classes and what is for type checkers alone."""
    for node in tree.body:
        yield node
        checked = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        if isinstance(node, ast.If | ast.Try | ast.With | ast.For | ast.While) and not checked:
            for block in ("body", "orelse", "finalbody"):
                yield from run_at_import(ast.Module(getattr(node, block, []), []))
            for handler in getattr(node, "handlers", []):
                yield from run_at_import(handler)


def named_in(nodes, parts):
    for node in nodes:
        if not isinstance(node, ast.ImportFrom) or node.level == 0:
            continue
        package = parts[: len(parts) - node.level]
        base = (*package, *(node.module.split(".") if node.module else ()))
        for alias in node.names:
            named = (*base, alias.name)
            candidates = (named, (*named, "__init__"), base, (*base, "__init__"))
            yield next((name for name in candidates if name in KNOWN), named)


ALL = list(modules())
KNOWN = {parts for parts, _ in ALL}
IDS = [".".join(parts) for parts, _ in ALL]


def test_every_module_has_a_place():
    strangers = {parts[0] for parts, _ in ALL} - set(HEIGHT)
    assert not strangers, f"give {strangers} a place in LAYERS of {__file__}"


@pytest.mark.parametrize(("parts", "tree"), ALL, ids=IDS)
def test_no_host_and_no_absolute_import_of_itself(parts, tree):
    roots = {name.partition(".")[0] for name in absolute_imports(tree)}
    assert not roots & (HOSTS | {"gpen_core"})


@pytest.mark.parametrize(("parts", "tree"), ALL, ids=IDS)
def test_imports_point_down(parts, tree):
    for target in relative_imports(parts, tree):
        if target[0] != parts[0]:
            assert HEIGHT[target[0]] < HEIGHT[parts[0]], (
                f"{'.'.join(parts)} may not import {'.'.join(target)}"
            )


def test_no_circles():
    """Also inside the packages; raises CycleError with the modules of the circle."""
    graph = {parts: set(relative_imports(parts, tree)) - {parts} for parts, tree in ALL}
    TopologicalSorter(graph).prepare()


def test_no_chain_of_imports_is_longer_than_twelve():
    """Counted in modules of the core, from the first that is imported to the last."""
    graph = {parts: set(imports_at_once(parts, tree)) - {parts} for parts, tree in ALL}
    lengths = {}
    for parts in TopologicalSorter(graph).static_order():
        lengths[parts] = 1 + max((lengths[each] for each in graph.get(parts, ())), default=0)
    assert {".".join(parts) for parts, length in lengths.items() if length > 12} == set()


def test_no_module_is_longer_than_three_hundred_lines():
    assert {name for name, text in source() if len(text.splitlines()) > 300} == set()


def test_no_function_is_longer_than_sixty_lines():
    long = {
        f"{name} {node.name}"
        for name, text in source()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and length_of(node) > 60
    }
    assert long == set()


def source():
    """Each module of the product by its path from the repository's root, with its text."""
    for package in PACKAGES:
        for path in sorted((CORE.parent / package).rglob("*.py")):
            yield path.relative_to(CORE.parent).as_posix(), path.read_text(encoding="utf-8")


def length_of(node):
    """Lines of a function without its decorators."""
    return node.end_lineno - node.lineno + 1


@pytest.mark.parametrize("package", PACKAGES)
def test_no_folder_holds_more_than_fifteen_modules(package):
    root = CORE.parent / package
    held = {
        folder.relative_to(CORE.parent).as_posix(): len(list(folder.glob("*.py")))
        for folder in (root, *(each for each in root.rglob("*") if each.is_dir()))
    }
    assert {folder: count for folder, count in held.items() if count > 15} == {}


def test_the_root_holds_little():
    assert len(list(CORE.glob("*.py"))) <= 4


class TestTheRuleItself:
    def test_names_are_resolved(self):
        tree = ast.parse("from ..errors import GpenError\nfrom .picture import Picture")
        assert list(relative_imports(("images", "reading"), tree)) == [
            ("errors",),
            ("images", "picture"),
        ]

    def test_imports_of_packages_are_resolved(self):
        tree = ast.parse("from . import cli\nfrom .cli import main")
        assert set(relative_imports(("__main__",), tree)) == {("cli", "__init__")}

    def test_absolute_imports_are_seen_inside_functions(self):
        tree = ast.parse("def f():\n    import comfy.utils\n    from gpen_core import errors")
        assert list(absolute_imports(tree)) == ["comfy.utils", "gpen_core"]

    def test_imports_when_called_or_for_type_checkers_are_not_at_once(self):
        tree = ast.parse(
            "from .a import x\n"
            "if TYPE_CHECKING:\n    from .b import x\n"
            "def f():\n    from .c import x\n"
            "try:\n    from .d import x\nexcept ImportError:\n    from .e import x\n"
        )
        found = [parts[1] for parts in imports_at_once(("images", "reading"), tree)]
        assert found == ["a", "d", "e"]

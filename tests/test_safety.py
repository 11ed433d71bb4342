"""Rules that hold for every Python file of this repository, checked on its syntax trees."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OWN = (
    "*.py",
    "gpen_core/**/*.py",
    "nodes/**/*.py",
    "gpen_webui/**/*.py",
    "scripts/**/*.py",
    "benchmarks/**/*.py",
)
SHIPPED = sorted({path for pattern in OWN for path in ROOT.glob(pattern)})
TESTS = sorted((ROOT / "tests").rglob("*.py"))
LOADER = ROOT / "gpen_core" / "checkpoints" / "torch_file.py"

# Whatever runs code out of data, and the loaders that can.
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen"}
FORBIDDEN_NAMES = {
    "torch.jit.load",
    "torch.hub",
    "torch.serialization",
    "torch.package",
    "sys.path",
    "load_state_dict_from_url",
}
# Run by hand from a checkout that need not be installed, in a process of their own: no host loads
# them.
PROGRAMS = {"benchmarks/gpu_acceptance.py", "benchmarks/acceptance/memory.py"}
FORBIDDEN_MODULES = {"pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "_pickle"}


def dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path)))


def names(path: Path) -> list[str]:
    return [dotted(node) for node in nodes(path) if isinstance(node, ast.Attribute | ast.Name)]


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_there_are_files_to_check():
    assert LOADER in SHIPPED
    assert len(SHIPPED) > 10


def test_torch_load_is_used_in_one_place_only():
    uses = [path for path in SHIPPED for name in names(path) if name == "torch.load"]
    assert uses == [LOADER]
    assert not [path for path in SHIPPED if "torch.load" in imports(path)]


def test_it_is_called_once_and_with_weights_only_written_out():
    loader = next(
        node
        for node in nodes(LOADER)
        if isinstance(node, ast.Assign) and "torch.load" in map(dotted, ast.walk(node))
    )
    (variable,) = map(dotted, loader.targets)
    calls = [n for n in nodes(LOADER) if isinstance(n, ast.Call) and dotted(n.func) == variable]
    assert len(calls) == 1
    options = {keyword.arg: keyword.value for keyword in calls[0].keywords}
    assert isinstance(options["weights_only"], ast.Constant)
    assert options["weights_only"].value is True
    # As a keyword: a host's replacement of torch.load takes no second positional argument.
    assert isinstance(options["map_location"], ast.Constant)
    assert len(calls[0].args) == 1


@pytest.mark.parametrize("path", SHIPPED, ids=relative)
def test_no_code_out_of_data(path: Path):
    called = {dotted(node.func) for node in nodes(path) if isinstance(node, ast.Call)}
    assert not called & FORBIDDEN_CALLS
    used = set(names(path)) | imports(path)
    forbidden = FORBIDDEN_NAMES - ({"sys.path"} if relative(path) in PROGRAMS else set())
    assert not {name for name in used for bad in forbidden if f"{name}.".startswith(f"{bad}.")}
    assert not {name.split(".")[0] for name in imports(path)} & FORBIDDEN_MODULES


@pytest.mark.parametrize("path", [*SHIPPED, *TESTS], ids=relative)
def test_no_loader_is_told_to_trust_a_file(path: Path):
    for node in nodes(path):
        if isinstance(node, ast.keyword) and node.arg in ("weights_only", "allow_pickle"):
            value = node.value
            assert isinstance(value, ast.Constant)
            assert value.value is (node.arg == "weights_only")
        if isinstance(node, ast.keyword):
            assert node.arg not in ("add_safe_globals", "unsafe_cast")

"""The public names: where each is, what importing them loads, and that nothing more is needed."""

import ast
import dataclasses
import importlib
import inspect
import itertools
import json
import re
import subprocess
import sys
import typing
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

import gpen_core
from gpen_core.runtime.renaming import renamed_keyword

ROOT = Path(__file__).parents[1]
CORE = ROOT / "gpen_core"
OPTIONAL = {
    "cv2",
    "facexlib",
    "torchvision",
    "onnxruntime",
    "spandrel",
    "scipy",
    "skimage",
    "numba",
    "triton",
}
HEAVY = {"torch", "numpy", "PIL", "safetensors", *OPTIONAL}

EVERYTHING = """
import importlib, json, sys
from pathlib import Path

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

blocked = json.loads(sys.argv[1])
sys.meta_path.insert(0, Blocker())
import gpen_core
for name in gpen_core.__all__:
    getattr(gpen_core, name)
root = Path(gpen_core.__file__).parent
for file in sorted(root.rglob("*.py")):
    # Kernels are imported by what launches them, where there is Triton.
    if file.name != "__main__.py" and not file.name.endswith("_kernels.py"):
        name = ".".join(file.relative_to(root.parent).with_suffix("").parts)
        importlib.import_module(name.removesuffix(".__init__"))
print(json.dumps(sorted(sys.modules)))
"""


def run(code, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def loaded_by(code):
    """The modules that a program has loaded in the end, by their whole names."""
    return set(run(f"{code}\nimport sys\nprint(*sys.modules)").split())


class TestWhatIsLoaded:
    def test_importing_the_package_loads_next_to_nothing(self):
        loaded = loaded_by("import gpen_core")
        assert not loaded & HEAVY
        own = {name for name in loaded if name.partition(".")[0] == "gpen_core"}
        assert own == {
            "gpen_core",
            "gpen_core.errors",
            "gpen_core.runtime",
            "gpen_core.runtime.version",
        }

    def test_the_first_use_of_restore_picture_loads_what_restores_and_no_more(self):
        loaded = loaded_by("from gpen_core import restore_picture")
        assert {"torch", "numpy", "PIL", "gpen_core.restoration.pipeline"} <= loaded
        rooms = {".".join(name.split(".")[:2]) for name in loaded if name.startswith("gpen_core.")}
        others = ("cli", "bench", "conversion", "downloads", "tasks", "spandrel_arch")
        assert not rooms & {f"gpen_core.{room}" for room in others}
        assert not loaded & OPTIONAL

    def test_values_and_errors_come_without_torch(self):
        assert "torch" not in loaded_by(
            "from gpen_core import Face, GpenError, number_faces, select_faces"
        )

    @pytest.mark.parametrize("blocked", [set(), OPTIONAL], ids=["installed", "missing"])
    def test_no_module_needs_an_optional_package_at_import(self, blocked):
        loaded = set(json.loads(run(EVERYTHING, json.dumps(sorted(blocked)))))
        assert "gpen_core.images" in loaded
        assert not OPTIONAL & loaded


class TestPublicNames:
    def test_the_typing_block_says_the_same_as_the_table(self):
        tree = ast.parse((CORE / "__init__.py").read_text(encoding="utf-8"))
        (block,) = (
            node for node in tree.body if isinstance(node, ast.If) and "TYPE" in ast.dump(node.test)
        )
        typed = {}
        for statement in block.body:
            for alias in statement.names:
                # Only so do type checkers take a name for public.
                assert alias.asname == alias.name
                typed[alias.name] = statement.module or alias.name
        assert typed == dict(gpen_core._HOMES)

    def test_every_name_is_found_listed_and_kept(self):
        for name in gpen_core._HOMES:
            assert name in gpen_core.__all__
            assert name in dir(gpen_core)
            assert getattr(gpen_core, name) is vars(gpen_core)[name]

    def test_another_name_is_refused(self):
        with pytest.raises(AttributeError, match=r"'gpen_core' has no attribute 'restore'"):
            _ = gpen_core.restore

    def test_types_in_public_signatures_and_fields_are_public(self):
        public = {value for _, value in public_values() if isinstance(value, type)}
        # What a module imports for type checkers alone is public or torch too.
        known = {**dict(public_values()), "torch": torch}
        missing = {
            f"{used.__module__}.{used.__name__} ({where})"
            for where, function in public_functions()
            for hint in typing.get_type_hints(function, localns=known).values()
            for used in types_in(hint)
            if used.__module__.startswith("gpen_core.") and used not in public
        }
        assert not missing

    def test_messages_name_nothing_that_is_not_public(self):
        """What they name must be there under that name: a function, or a parameter of one."""
        known = parameters() | set(gpen_core.__all__)
        unknown = {
            f"{word} in {path.relative_to(CORE)}"
            for path in CORE.rglob("*.py")
            if path.relative_to(CORE).parts[0] not in ("cli", "bench", "checkpoints")
            for word in words_of_errors(path)
            if not word.endswith(".pth") and word not in known
        }
        assert not unknown

    def test_docstrings_name_nothing_that_is_not_public(self):
        """Whoever reads one in a tooltip must be able to look up what it refers to."""
        members = {member for _, value in public_values() for member in dir(value)}
        known = {*gpen_core.__all__, *members, *parameters()}
        unknown = {
            f"{word} ({where})"
            for where, text in public_docstrings()
            for word in re.findall(r"`([\w.]+)`", text)
            # Other packages' names, and variables of the environment.
            if not re.match(r"(torch|os|spandrel|ImageOps)\.|GPEN_", word)
            and not known.issuperset(word.split("."))
        }
        assert not unknown

    def test_every_public_name_has_a_docstring(self):
        texts = dict(public_docstrings())
        assert set(gpen_core.__all__) - set(texts) == {"__version__"}
        assert not {where for where, text in texts.items() if not text.strip()}


def public_values():
    for name in gpen_core.__all__:
        yield name, getattr(gpen_core, name)


def public_functions():
    """Public functions, the public methods and properties of public classes, and their fields."""
    for name, value in public_values():
        if inspect.isfunction(value):
            yield name, value
        elif isinstance(value, type):
            yield name, value
            for member, held in vars(value).items():
                function = getattr(held, "fget", getattr(held, "__func__", held))
                if inspect.isfunction(function) and not member.startswith("_"):
                    yield f"{name}.{member}", function


def parameters():
    """The names of the parameters of all public functions."""
    return {name for _, each in public_functions() for name in inspect.signature(each).parameters}


def public_docstrings():
    """Those of public names, of the members of public classes and of their fields, with where."""
    for where, function in public_functions():
        if not function.__module__.endswith(".renaming"):
            yield where, inspect.getdoc(function) or ""
    for name, value in public_values():
        if isinstance(value, type):
            source = ast.parse(inspect.getsource(value)).body[0]
            if dataclasses.is_dataclass(value) or issubclass(value, tuple):
                yield from ((f"{name}.{field}", text) for field, text in texts_below(source))
        elif name in gpen_core._HOMES:
            home = importlib.import_module(f"gpen_core.{gpen_core._HOMES[name]}")
            texts = dict(texts_below(ast.parse(inspect.getsource(home))))
            yield name, texts.get(name) or inspect.getdoc(value) or ""


def texts_below(tree):
    """The names that are assigned in a class or module, and the strings that follow them."""
    for node, following in itertools.pairwise([*tree.body, None]):
        if isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            text = getattr(getattr(following, "value", None), "value", None)
            if isinstance(target, ast.Name):
                yield target.id, text if isinstance(text, str) else ""


def types_in(hint):
    if typing.get_origin(hint) is typing.Literal:
        return
    for part in [hint, *typing.get_args(hint)]:
        if isinstance(part, list):
            for each in part:
                yield from types_in(each)
        elif part is not hint:
            yield from types_in(part)
        elif isinstance(typing.get_origin(part) or part, type):
            yield typing.get_origin(part) or part


def words_of_errors(path):
    """Words like names of Python in the messages that a module raises."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Raise) and node.exc is not None:
            for part in ast.walk(node.exc):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield from re.findall(r"\b[a-z]+(?:[._][a-z]+)+\b", part.value)


class TestRenamedNames:
    def test_keywords_of_before_work_with_a_warning(self):
        @renamed_keyword("parser", "face_parser")
        def restore(pixels, *, face_parser=None):
            return pixels, face_parser

        text = r"parser= of restore is now face_parser=; the old name will be removed in 0\.3"
        with pytest.warns(DeprecationWarning, match=text) as seen:
            assert restore(1, parser=2) == (1, 2)
        assert seen[0].filename == __file__
        assert restore(1, face_parser=2) == (1, 2)
        with pytest.raises(TypeError, match="got both parser and face_parser"):
            restore(1, parser=2, face_parser=2)

    @pytest.mark.parametrize("name", ["restore_picture", "restore_pictures"])
    def test_a_face_parser_may_still_be_called_parser(self, name):
        """Each refuses its other arguments only once it has taken this one."""
        with (
            pytest.warns(DeprecationWarning, match=f"parser= of {name} is now face_parser="),
            pytest.raises(gpen_core.OptionError, match="time limit"),
        ):
            getattr(gpen_core, name)([], None, parser=None, time_limit=-1)

    def test_a_mask_to_paste_in_may_still_be_called_limit(self):
        with pytest.warns(DeprecationWarning, match="limit= of PictureInput is now paste_mask="):
            image = gpen_core.PictureInput("pixels", limit="mask")
        assert image.paste_mask == "mask"
        with pytest.warns(DeprecationWarning, match="limit is now PictureInput.paste_m"):
            assert image.limit == "mask"
        with (
            pytest.warns(DeprecationWarning, match="limit= of restore_picture is now paste_mask="),
            pytest.raises(gpen_core.OptionError, match="the mask is empty"),
        ):
            gpen_core.restore_picture([], None, limit=np.zeros((2, 2), np.float32))

    def test_what_computes_may_still_be_called_place(self):
        models = gpen_core.AdaptiveRestorer([], None, None, "cuda:1")
        assert models.backend == "cuda:1"
        with pytest.warns(DeprecationWarning, match=r"Restorer\.place is now .*\.backend"):
            assert models.place == "cuda:1"

    def test_the_old_name_warns_once_and_is_the_new_one(self, monkeypatch):
        monkeypatch.setattr(gpen_core, "_RENAMED", {"heal_picture": "restore_picture"})
        text = "gpen_core.heal_picture is now gpen_core.restore_picture; .* removed in 0.3"
        try:
            with pytest.warns(DeprecationWarning, match=text) as seen:
                assert gpen_core.heal_picture is gpen_core.restore_picture
            assert seen[0].filename == __file__
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                assert gpen_core.heal_picture is gpen_core.restore_picture
        finally:
            vars(gpen_core).pop("heal_picture", None)

    def test_what_was_renamed_is_public_under_its_new_name_alone(self):
        for old, new in gpen_core._RENAMED.items():
            assert new in gpen_core.__all__
            assert old not in gpen_core.__all__


class TestTyping:
    def test_the_marker_for_type_checkers_comes_along(self):
        """PEP 561: without the empty file py.typed type checkers take the package as untyped."""
        tomllib = pytest.importorskip("tomllib")  # from Python 3.11 on
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        shipped = project["tool"]["setuptools"]["package-data"]["gpen_core"]
        assert "py.typed" in shipped
        assert (CORE / "py.typed").read_bytes() == b""

    def test_the_version_is_that_of_the_project(self):
        text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
        assert f'version = "{gpen_core.__version__}"' in text.splitlines()


@pytest.mark.parametrize("arguments", ["--help", "models --help", "--version", "no-such-command"])
def test_help_of_the_command_line_loads_no_network_library(arguments):
    """Only the arguments of the command that is named are built, which may need them."""
    code = """
import sys
from gpen_core.cli.parser import build_parser
try:
    build_parser().parse_args(sys.argv[1].split())
except SystemExit:
    print(*sys.modules)
"""
    loaded = run(code, arguments).split()
    assert "gpen_core.cli.parser" in loaded
    assert not {"torch", "numpy", *OPTIONAL} & set(loaded)

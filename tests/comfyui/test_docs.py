"""Help pages, translations, the guide and the registry's files agree with the nodes."""

import ast
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "web" / "docs"
GUIDE = ROOT / "docs" / "comfyui.md"
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
NODES = list(json.loads((Path(__file__).parent / "released_inputs.json").read_text()))


def schema_of(pack, node_id):
    return pack.nodes[node_id].GET_SCHEMA()


def read(path):
    return path.read_text(encoding="utf-8")


def section(text, title):
    """The lines below a heading up to the next one."""
    return text.split(f"\n## {title}\n")[1].split("\n## ")[0]


def first_cells(text):
    """What stands as code in the first column of the tables."""
    return re.findall(r"^\| `(.+?)` \|", text, re.MULTILINE)


@pytest.mark.parametrize("node_id", NODES)
def test_help_page_is_the_same_for_english_and_for_languages_without_one(node_id):
    assert read(PAGES / node_id / "en.md") == read(PAGES / f"{node_id}.md")


@pytest.mark.parametrize("node_id", NODES)
def test_help_page_names_every_input_and_output_in_order(pack, node_id):
    schema, page = schema_of(pack, node_id), read(PAGES / f"{node_id}.md")
    assert page.startswith(f"# {schema.display_name}\n")
    inputs = [entry.display_name or entry.id for entry in schema.inputs]
    assert first_cells(section(page, "Inputs")) == inputs
    outputs = [entry.display_name for entry in schema.outputs]
    assert first_cells(section(page, "Outputs")) == outputs


@pytest.mark.parametrize("node_id", NODES)
def test_help_page_tells_choices_defaults_and_types(pack, node_id):
    schema, page = schema_of(pack, node_id), read(PAGES / f"{node_id}.md")
    cells = dict(re.findall(r"^\| `(.+?)` \| (.+?) \|", section(page, "Inputs"), re.MULTILINE))
    for entry in schema.inputs:
        told = cells[entry.display_name or entry.id]
        if entry.id == "model_name":  # depends on the installation
            continue
        if hasattr(entry, "options"):
            assert told == " / ".join(
                f"**{option}**" if option == entry.default else option for option in entry.options
            )
        elif getattr(entry, "min", None) is not None:
            assert told == f"{entry.min:g}–{entry.max:g}, default {entry.default:g}"
        elif entry.io_type == "BOOLEAN":
            assert told == f"on or off, default {'on' if entry.default else 'off'}"
        elif hasattr(entry, "default"):
            assert told == f"text, default {entry.default}"
        else:
            assert told == entry.io_type + ", optional" * entry.optional
    types = dict(re.findall(r"^\| `(.+?)` \| (\w+) \|", section(page, "Outputs"), re.MULTILINE))
    assert types == {entry.display_name: entry.io_type for entry in schema.outputs}


def test_there_are_no_pages_of_nodes_that_are_gone(pack):
    assert {path.stem for path in PAGES.glob("*.md")} == set(pack.nodes)
    assert {path.parent.name for path in PAGES.glob("*/*.md")} == set(pack.nodes)


def translation_of(schema):
    """The schema's texts as nodeDefs.json holds them."""
    return {
        "display_name": schema.display_name,
        "description": schema.description,
        "inputs": {
            entry.id: {"name": entry.display_name or entry.id, "tooltip": entry.tooltip}
            for entry in schema.inputs
        },
        "outputs": {
            str(place): {"name": entry.display_name, "tooltip": entry.tooltip}
            for place, entry in enumerate(schema.outputs)
        },
    }


def test_english_texts_are_those_of_the_nodes(pack):
    stored = json.loads(read(ROOT / "locales" / "en" / "nodeDefs.json"))
    assert stored == {node_id: translation_of(schema_of(pack, node_id)) for node_id in pack.nodes}


def test_texts_hold_no_signs_that_the_frontend_replaces():
    """In its messages @ links, | separates plurals and braces stand for values."""
    for path in (ROOT / "locales").glob("*/nodeDefs.json"):
        texts = re.findall(r'"((?:[^"\\]|\\.)*)"', read(path))
        assert len(texts) > len(NODES)
        assert [text for text in texts if set(text) & set("@|{}")] == [], path


def test_guide_lists_the_nodes_by_the_names_they_show(pack):
    rows = re.findall(r"^\| \**(.+?)\** \|", section(read(GUIDE), "The nodes"), re.MULTILINE)
    shown = [schema_of(pack, node_id).display_name for node_id in pack.nodes]
    assert [row for row in rows if "GPEN" in row] == shown


def test_guide_lists_the_example_workflows():
    listed = first_cells(section(read(GUIDE), "Example workflows"))
    there = {f"example_workflows/{path.name}" for path in ROOT.glob("example_workflows/*.json")}
    assert set(listed) == there
    assert len(listed) == len(there)


def messages():
    """Every text in the sources, with … for what is filled in."""
    for path in [*ROOT.glob("nodes/**/*.py"), *ROOT.glob("gpen_core/**/*.py")]:
        for node in ast.walk(ast.parse(read(path))):
            if isinstance(node, ast.JoinedStr):
                yield "".join(
                    str(part.value) if isinstance(part, ast.Constant) else "…"
                    for part in node.values
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_guide_explains_messages_that_the_program_has():
    quoted = first_cells(section(read(GUIDE), "Troubleshooting"))
    assert len(quoted) > 10
    known = set(messages())
    assert [text for text in quoted if not any(text in message for message in known)] == []


def headings(path):
    """The anchors of a document, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", read(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    text = re.sub(r"^```.*?^```", "", read(path), flags=re.DOTALL | re.MULTILINE)
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = path.parent / name if name else path
        if not target.exists() or (anchor and anchor not in headings(target)):
            broken.append(link)
    assert broken == []


def test_registry_accepts_the_description():
    tomllib = pytest.importorskip("tomllib")  # from Python 3.11 on
    settings = tomllib.loads(read(ROOT / "pyproject.toml"))
    project, comfy = settings["project"], settings["tool"]["comfy"]
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", project["name"])
    assert len(project["name"]) < 100
    assert re.fullmatch(r"\d+\.\d+\.\d+", project["version"])
    assert project["license"] == "Apache-2.0 AND MIT"
    assert all(list(ROOT.glob(pattern)) for pattern in project["license-files"])
    assert set(comfy) == {"PublisherId", "DisplayName", "requires-comfyui"}
    assert re.fullmatch(r"[a-z0-9-]+", comfy["PublisherId"])
    assert comfy["DisplayName"] in read(GUIDE)
    assert comfy["requires-comfyui"].removeprefix(">=") in read(GUIDE)
    # One other value, and the registry forgets about all of them.
    hardware = {"NVIDIA CUDA", "AMD ROCm", "Intel Arc", "Apple Metal"}
    named = [c for c in project["classifiers"] if c.startswith("Environment ::")]
    assert named
    assert {c.removeprefix("Environment :: GPU :: ") for c in named} <= hardware


def ignored():
    lines = read(ROOT / ".comfyignore").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_ignored_files_are_named_from_the_root_and_exist():
    for line in ignored():
        assert line.startswith("/"), line
        path = ROOT / line[1:]
        assert path.is_dir() if line.endswith("/") else path.is_file(), line


@pytest.mark.skipif(
    not (shutil.which("git") and (ROOT / ".git").exists()), reason="needs a git clone"
)
def test_pack_in_the_registry_is_what_comfyui_needs():
    """The registry takes the files that git knows, without the ignored ones."""
    known = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).splitlines()
    left = [name for name in known if not name.startswith(tuple(line[1:] for line in ignored()))]
    folders = {"docs", "example_workflows", "gpen_core", "locales", "nodes", "web"}
    files = {"__init__.py", "install.py", "requirements.txt", "pyproject.toml"}
    files |= {"LICENSE", "NOTICE.md", "README.md", "CHANGELOG.md"}
    assert {name.partition("/")[0] for name in left} <= folders | files
    assert [name for name in folders | files if not (ROOT / name).exists()] == []
    assert [line for line in ignored() if line.strip("/") in folders | files] == []
    assert "gpen_core/detection/mtcnn/mtcnn.safetensors" in left

"""The facts about published files: complete as far as they go, and of the right form."""

import re
from collections import Counter
from pathlib import Path, PurePath

import pytest

from gpen_core.checkpoints.identify import describe
from gpen_core.model_files.catalogue import load_catalogue
from gpen_core.model_files.contents import GPEN
from gpen_core.model_files.filenames import claimed_model, parse_filename
from gpen_core.network.config import PUBLISHED

ROOT = Path(__file__).parents[2]
CATALOGUE = load_catalogue()
FILES = list(CATALOGUE.files())
IDS = [f"{known.file.file} {known.file.source}" for known in FILES]


@pytest.mark.parametrize("known", FILES, ids=IDS)
def test_facts_have_their_form(known):
    file = known.file
    assert file.bytes is None or 10**5 < file.bytes < 10**9
    assert file.sha256 is None or re.fullmatch("[0-9a-f]{64}", file.sha256)
    assert all(address.startswith("https://") for address in file.addresses)
    assert file.source
    assert (PurePath(file.file).suffix == ".onnx") == (file.format == "onnx")


def test_no_hash_stands_for_two_files():
    hashes = Counter(known.file.sha256 for known in FILES if known.file.sha256)
    assert max(hashes.values()) == 1


def test_no_name_stands_for_two_models():
    names = Counter(
        name.casefold()
        for model in CATALOGUE.models
        for name in {model.name, *model.aliases, *(n for f in model.files for n in f.names)}
    )
    assert max(names.values()) == 1


@pytest.mark.parametrize("model", CATALOGUE.models, ids=lambda model: model.name)
def test_gpen_is_for_non_commercial_use_and_of_a_published_size(model):
    if model.network == GPEN:
        assert not model.licence.commercial_use
        assert "non-commercial" in model.licence.summary
        assert model.size in PUBLISHED
    else:
        assert model.size is None
    assert model.licence.terms
    assert model.licence.source


@pytest.mark.parametrize("known", FILES, ids=IDS)
def test_every_file_is_named_for_what_it_is(known):
    assert claimed_model(known.file.file, CATALOGUE) == known.model
    claim = parse_filename(known.file.file)
    assert claim.network in (None, known.model.network)
    if known.model.network == GPEN:
        assert (claim.size, claim.task) == (known.model.size, known.model.task)


@pytest.mark.parametrize(
    ("keys", "name"),
    [
        ("ClassHead.0.conv1x1.weight LandmarkHead.0.conv1x1.weight", "RetinaFace-R50"),
        ("encoder.0.conv2d.weight out_mask_conv.conv2d.weight", "ParseNet"),
    ],
)
def test_networks_are_named_as_files_are_described(keys, name):
    assert describe(keys.split()) == CATALOGUE.by_name(name).network


def test_several_exports_of_one_model_are_known():
    model = CATALOGUE.by_name("gpen-bfr-512")
    onnx = {file.sha256 for file in model.files if file.format == "onnx"}
    assert len(onnx) == 3
    assert all(CATALOGUE.by_hash(sha256).model == model for sha256 in onnx)


def test_the_file_with_an_address_is_picked():
    assert CATALOGUE.pick("GPEN-BFR-512.onnx").file.addresses
    assert CATALOGUE.pick("GPEN-BFR-2048").file.file == "GPEN-BFR-2048.pth"
    assert CATALOGUE.pick("gpen_bfr_2048.onnx").file.sha256.startswith("66d12a63")


def test_the_catalogue_is_shipped():
    tomllib = pytest.importorskip("tomllib")  # from Python 3.11 on
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert (
        "catalogue.json" in project["tool"]["setuptools"]["package-data"]["gpen_core.model_files"]
    )


@pytest.mark.parametrize(
    ("name", "claim"),
    [
        ("gpen_bfr_2048 (1).onnx", (GPEN, 2048, "restoration")),
        ("GPEN-Colorization-1024.pth", (GPEN, 1024, "colorization")),
        ("GPEN-Seg2face-512.pth", (GPEN, 512, "segmentation")),
        ("my gpen.safetensors", (GPEN, None, None)),
        ("GFPGANv1.4.pth", ("GFPGAN", None, None)),
        ("something-512.pth", (None, None, None)),
        ("pytorch_model-2048.pt", (GPEN, 2048, "restoration")),
        ("pytorch_model.pt", (None, None, None)),
    ],
)
def test_claims_of_names(name, claim):
    found = parse_filename(name)
    assert (found.network, found.size, found.task) == claim


def test_gpens_discriminators_are_named_as_files_are_described():
    keys = ("convs.0.0.weight", "final_conv.0.weight", "final_linear.0.weight")
    assert parse_filename("GPEN-BFR-512-D.pth").network == describe(keys)
    assert claimed_model("GPEN-BFR-512-D.pth", CATALOGUE) is None

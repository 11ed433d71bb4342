"""An optional package that does not import: what the user is told."""

import pytest

from gpen_core.errors import MissingPackageError
from gpen_core.runtime.optional_packages import require


def test_a_missing_package_is_named_with_the_way_to_install_it():
    with pytest.raises(MissingPackageError) as caught:
        require("no_such_package_at_all", "this test")
    said = str(caught.value)
    assert said.startswith("this test needs the package no_such_package_at_all, which cannot be ")
    assert said.endswith("To fix it: pip install no_such_package_at_all.")


def test_a_package_that_another_one_breaks_names_the_other(tmp_path, monkeypatch):
    broken = 'raise RuntimeError("operator torchvision::nms does not exist")'
    (tmp_path / "leaning_package.py").write_text(broken)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingPackageError, match="the torchvision that belongs to the installed"):
        require("leaning_package", "this test")

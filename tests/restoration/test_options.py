"""Restoration options: defaults, limits, and a help text for each."""

from dataclasses import fields

import pytest

from gpen_core.errors import OptionError
from gpen_core.restoration.options import HELP, RestorationOptions


def test_defaults_are_the_documented_ones():
    options = RestorationOptions()
    assert (options.strength, options.template, options.mask) == (1.0, "gpen", "area")
    assert (options.colour, options.faces, options.feather) == ("none", "all", 0.011)


def test_every_option_has_a_help_text():
    assert set(HELP) == {field.name for field in fields(RestorationOptions)}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("strength", -0.01),
        ("strength", 1.01),
        ("strength", float("nan")),
        ("feather", 0.3),
        ("template", "arcface"),
        ("mask", "all"),
        ("colour", "adain"),
    ],
)
def test_values_outside_are_named(name, value):
    with pytest.raises(OptionError, match=f"^{name} is {value!r}, but must"):
        RestorationOptions(**{name: value})


@pytest.mark.parametrize(("name", "value"), [("strength", 0), ("strength", 1), ("feather", 0.2)])
def test_limits_themselves_are_accepted(name, value):
    assert getattr(RestorationOptions(**{name: value}), name) == value

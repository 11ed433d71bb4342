import pytest

from gpen_core.errors import OptionError
from gpen_core.geometry.alignment import scale_factors


@pytest.mark.parametrize(
    ("shape", "resized"),
    [
        ((100, 200), (200, 400)),
        ((1001, 101), (1502, 152)),
        ((3001, 333), (4501, 499)),
        ((101, 201), (50, 100)),
        ((101, 201), (51, 101)),
        ((7, 9), (7, 9)),
    ],
)
def test_sides_may_be_rounded(shape, resized):
    x, y = scale_factors(shape, resized)
    assert shape[0] * y == pytest.approx(resized[0])
    assert shape[1] * x == pytest.approx(resized[1])


@pytest.mark.parametrize("resized", [(200, 100), (100, 230), (100, 204)])
def test_another_proportion_is_refused(resized):
    with pytest.raises(OptionError, match="100"):
        scale_factors((100, 200), resized)

"""GPEN's other tasks, with networks whose answer is known; no trained weights are needed."""

import dataclasses
import json

import numpy as np
import pytest
import skimage.data
import torch

from gpen_core import load_restorer
from gpen_core.errors import Cancelled, ImageError, OptionError
from gpen_core.faces.face import Face, landmarks_from_array
from gpen_core.geometry.templates import template
from gpen_core.network.config import GpenConfig
from gpen_core.network.synthetic_weights import passthrough_state, random_state
from gpen_core.tasks.colorize import colorize_picture, with_luma
from gpen_core.tasks.inpaint import inpaint_aligned, inpaint_picture
from gpen_core.tasks.inpaint_mask import feathered_mask
from gpen_core.tasks.segmentation import synthesize_face

TINY = GpenConfig(64, 1, 0.125)
LUMA = np.array([0.299, 0.587, 0.114])


@pytest.fixture(scope="module")
def load(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    torch.save(passthrough_state(TINY), folder / "same.pth")
    torch.save(random_state(TINY), folder / "random.pth")
    return lambda name: load_restorer(folder / f"{name}.pth", "cpu")


@pytest.fixture(scope="module")
def same(load):
    return load("same")


class Fake:
    """A restorer that remembers what it was shown and returns what it is told to."""

    name, size, backend, precision = "fake.pth", 64, "cpu", "float32"
    device = torch.device("cpu")

    def __init__(self, answer=lambda crop: crop):
        self.notes = ["a note of the model"]
        self.seen = []
        self._answer = answer

    def restore(self, crop, cancelled=None):
        assert tuple(crop.shape) == (3, self.size, self.size)
        if cancelled is not None and cancelled():
            raise Cancelled("the restoration was cancelled")
        self.seen.append(crop)
        return self._answer(crop)


def tinted(crop):
    """A reddish network: its luma is not the crop's."""
    return torch.stack([crop[0] * 0.5 + 0.5, crop[1] * 0.4, crop[2] * 0.3 + 0.1])


def photo(height, width, dtype=np.uint8):
    picture = skimage.data.astronaut()[:height, :width]
    if dtype == np.uint8:
        return picture.copy()
    if dtype == np.uint16:
        return picture.astype(np.uint16) * 257
    return picture.astype(np.float32) / 255


def grey_photo(height, width, dtype=np.uint8):
    return np.ascontiguousarray(photo(height, width, dtype)[..., 1:2].repeat(3, axis=2))


def luma(pixels):
    scale = 1 if pixels.dtype == np.float32 else np.iinfo(pixels.dtype).max
    return pixels.astype(np.float64) @ LUMA / scale


class TestColorize:
    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
    @pytest.mark.parametrize("shape", [(64, 64), (90, 130), (33, 20), (1, 7)])
    def test_a_network_that_changes_nothing_leaves_grey_grey(self, same, shape, dtype):
        picture = grey_photo(*shape, dtype)
        result = colorize_picture(picture, same)
        assert result.pixels.dtype == dtype
        if dtype == np.float32:
            assert np.abs(result.pixels - picture).max() < 2e-6
        else:
            assert np.array_equal(result.pixels, picture)

    @pytest.mark.parametrize(("dtype", "step"), [(np.uint8, 255), (np.uint16, 65535)])
    def test_luma_stays_the_sources_whatever_the_network_says(self, load, dtype, step):
        picture = photo(150, 100, dtype)
        for restorer in (load("random"), Fake(tinted)):
            result = colorize_picture(picture, restorer).pixels
            assert result.shape == picture.shape
            # Each channel is rounded by half a level at most.
            assert np.abs(luma(result) - luma(picture)).max() <= 0.5001 / step
            assert (np.ptp(result.astype(int), axis=2) > 0.1 * step).mean() > 0.5

    def test_chroma_is_the_networks_where_it_fits(self):
        grey = np.full((64, 64, 3), 0.5, np.float32)
        colour = torch.tensor([0.6, 0.5, 0.4])[:, None, None].expand(3, 64, 64)
        result = colorize_picture(grey, Fake(lambda _: colour)).pixels
        expected = 0.5 + np.array([0.6, 0.5, 0.4]) - np.array([0.6, 0.5, 0.4]) @ LUMA
        assert np.abs(result - expected).max() < 1e-6

    def test_the_network_is_shown_grey_in_the_middle_of_its_square(self):
        model = Fake()
        picture = np.zeros((32, 64, 3), np.uint8)
        picture[:, :, 0] = 255
        picture[0], picture[-1] = 0, 255
        colorize_picture(picture, model)
        (seen,) = model.seen
        assert torch.equal(seen[0], seen[1])
        assert torch.equal(seen[0], seen[2])
        assert (seen[0, 20:44] - 0.299).abs().max() < 1e-6
        assert seen[:, :14].abs().max() < 1e-6  # the first row continued
        assert (seen[:, 50:] - 1).abs().max() < 1e-6

    def test_colour_stands_where_the_network_put_it(self):
        """A red mark of the network, in a picture that is larger and not square."""

        def mark(crop):
            made = crop.clone()
            made[0, 30:40, 40:50] += 0.3
            return made

        grey = np.full((192, 256, 3), 0.5, np.float32)
        result = colorize_picture(grey, Fake(mark)).pixels
        redness = (result[..., 0] - result[..., 2]).clip(0)
        y, x = np.mgrid[:192, :256]
        centre = [(redness * place).sum() / redness.sum() for place in (x, y)]
        # The square is 4 times smaller, and 8 of its rows lie above the picture.
        assert centre == pytest.approx(
            [(44.5 + 0.5) * 4 - 0.5, (34.5 - 8 + 0.5) * 4 - 0.5], abs=0.1
        )

    def test_colours_beyond_white_and_black_are_made_paler(self):
        vivid = np.array([[1, 0, 0]] * 4, np.float32)
        wanted = np.array([0, 0.02, 0.95, 1], np.float32)
        result = with_luma(vivid, wanted)
        assert result.min() >= 0
        assert result.max() <= 1
        assert np.abs(result @ LUMA - wanted).max() < 1e-6
        assert np.ptp(result, axis=1)[[1, 2]].min() > 0.05
        assert np.ptp(result, axis=1)[[0, 3]].max() < 1e-6

    def test_report(self):
        result = colorize_picture(photo(50, 80), Fake())
        told = json.loads(result.report.to_json())
        assert (told["task"], told["width"], told["height"]) == ("colorization", 80, 50)
        assert (told["model"], told["model_size"]) == ("fake.pth", 64)
        assert told["notes"] == ["a note of the model"]

    def test_the_source_stays_and_cancelling_works(self, same):
        picture = photo(64, 64)
        before = picture.copy()
        colorize_picture(picture, same)
        assert np.array_equal(picture, before)
        with pytest.raises(Cancelled):
            colorize_picture(picture, same, lambda: True)

    def test_unusable_pictures_are_refused_without_a_word_of_searching_faces(self, same):
        with pytest.raises(ImageError, match=r"^the picture must be RGB") as told:
            colorize_picture(np.zeros((4, 4), np.uint8), same)
        assert "search" not in str(told.value)


def box(height, width, top, left, bottom, right):
    mask = np.zeros((height, width), bool)
    mask[top:bottom, left:right] = True
    return mask


class TestInpaintAligned:
    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
    @pytest.mark.parametrize("side", [64, 100])
    def test_only_masked_pixels_change(self, load, dtype, side):
        picture, mask = photo(side, side, dtype), box(side, side, 20, 10, 40, 50)
        result = inpaint_aligned(picture, mask, load("random")).pixels
        assert result.dtype == dtype
        assert np.array_equal(result[~mask], picture[~mask])
        assert (result[22:38, 12:48] != picture[22:38, 12:48]).mean() > 0.9

    def test_the_network_is_shown_the_hole_white_and_the_rest_as_it_is(self):
        model, picture = Fake(), photo(64, 64)
        mask = box(64, 64, 5, 6, 20, 30)
        inpaint_aligned(picture, mask, model)
        seen = model.seen[0].permute(1, 2, 0).numpy()
        assert (seen[mask] == 1).all()
        assert np.array_equal(np.rint(seen[~mask] * 255), picture[~mask])

    def test_what_the_network_makes_fills_the_hole(self):
        """A network that returns what it sees leaves the hole white, and nothing else."""
        picture, mask = photo(64, 64), box(64, 64, 5, 6, 20, 30)
        result = inpaint_aligned(picture, mask, Fake(), feather_pixels=0).pixels
        assert (result[mask] == 255).all()
        assert np.array_equal(result[~mask], picture[~mask])

    def test_the_passthrough_network_does_the_same(self, same):
        picture, mask = photo(64, 64, np.uint16), box(64, 64, 5, 6, 20, 30)
        result = inpaint_aligned(picture, mask, same, feather_pixels=0).pixels
        assert result[mask].min() >= 65534
        assert np.array_equal(result[~mask], picture[~mask])

    def test_the_soft_edge_lies_within_the_mask(self):
        picture, mask = np.zeros((64, 64, 3), np.float32), box(64, 64, 10, 10, 30, 30)
        result = inpaint_aligned(picture, mask, Fake(), feather_pixels=3).pixels[..., 0]
        assert result[20, 8:16] == pytest.approx([0, 0, 0.25, 0.5, 0.75, 1, 1, 1])
        assert not result[~mask].any()

    def test_soft_masks_count_from_half_on(self):
        picture = np.zeros((64, 64, 3), np.uint8)
        mask = np.linspace(0, 1, 64, dtype=np.float32)[None].repeat(64, axis=0)
        result = inpaint_aligned(picture, mask, Fake(), feather_pixels=0).pixels
        assert (result[:, :32] == 0).all()
        assert (result[:, 32:] == 255).all()

    @pytest.mark.parametrize(
        ("mask", "words"),
        [
            (np.zeros((64, 64), bool), "the mask is empty"),
            (np.full((64, 64), 0.4), "the mask is empty"),
            (np.ones((64, 64), bool), "covers the whole picture"),
            (np.ones((64, 60), bool), "the mask is of 60×64 pixels, the picture of 64×64"),
            (np.ones((64, 64, 3), bool), "must be .H, W."),
            (np.full((64, 64), 255, np.uint8), "of booleans or of 0..1"),
            (np.full((64, 64), 2.0), "values of 0..1"),
            (np.full((64, 64), np.nan), "values of 0..1"),
        ],
    )
    def test_bad_masks_are_refused(self, mask, words):
        model = Fake()
        with pytest.raises(OptionError, match=words):
            inpaint_aligned(photo(64, 64), mask, model)
        assert model.seen == []

    def test_a_picture_that_is_not_square_is_refused(self):
        with pytest.raises(OptionError, match=r"must be square, but the picture is 80×64"):
            inpaint_aligned(photo(64, 80), box(64, 80, 0, 0, 9, 9), Fake())

    def test_the_feather_may_still_be_named_without_its_unit(self, same):
        picture, mask = photo(64, 64), box(64, 64, 10, 30, 20, 40)
        expected = inpaint_aligned(picture, mask, same, feather_pixels=5).pixels
        with pytest.warns(DeprecationWarning, match="feather= of inpaint_aligned is now feather_p"):
            result = inpaint_aligned(picture, mask, same, feather=5).pixels
        assert np.array_equal(result, expected)

    @pytest.mark.parametrize("feather", [-1, 257])
    def test_the_feather_has_limits(self, feather):
        with pytest.raises(OptionError, match="between 0 and 256"):
            inpaint_aligned(photo(64, 64), box(64, 64, 0, 0, 9, 9), Fake(), feather)

    def test_the_border_of_the_picture_is_no_edge(self):
        weight = feathered_mask(box(20, 20, 0, 0, 20, 10), 3)
        assert weight[0, 0] == weight[19, 0] == weight[10, 5] == 1
        assert weight[0, 9] == 0.25


def face_at(left, top, side, index=0):
    points = template("gpen", 64) * (side / 64) + (left, top)
    low, high = points.min(axis=0), points.max(axis=0)
    return Face((*low.tolist(), *high.tolist()), landmarks_from_array(points), 1.0, index)


class TestInpaintPicture:
    def test_only_masked_pixels_of_the_face_change(self, load):
        picture = photo(200, 300)
        mask = box(200, 300, 60, 80, 90, 110)
        face = face_at(50, 30, 100)
        result = inpaint_picture(picture, mask, load("random"), faces=[face])
        assert np.array_equal(result.pixels[~mask], picture[~mask])
        assert (result.pixels[62:88, 82:108] != picture[62:88, 82:108]).mean() > 0.9
        assert [entry.skipped for entry in result.report.faces] == [None]
        assert result.report.notes == ()

    def test_the_hole_is_white_in_the_crop(self):
        model, picture = Fake(), np.zeros((200, 300, 3), np.uint8)
        mask = box(200, 300, 60, 80, 80, 100)
        result = inpaint_picture(
            picture, mask, model, faces=[face_at(50, 30, 64)], feather_pixels=0
        )
        assert (model.seen[0][:, 33:47, 33:47] == 1).all()
        assert model.seen[0][:, :27].max() < 1e-6
        assert (result.pixels[mask] == 255).all()

    def test_faces_beside_the_mask_are_left_alone(self):
        model, picture = Fake(), photo(200, 300)
        faces = [face_at(10, 30, 64, 0), face_at(200, 30, 64, 1)]
        mask = box(200, 300, 50, 230, 70, 250)
        result = inpaint_picture(picture, mask, model, faces=faces)
        assert len(model.seen) == 1
        assert [e.skipped for e in result.report.faces] == ["not under the mask", None]

    def test_masked_pixels_beside_the_faces_are_noted(self):
        picture, mask = photo(200, 300), box(200, 300, 50, 30, 60, 200)
        result = inpaint_picture(picture, mask, Fake(), faces=[face_at(10, 30, 64)])
        (note,) = result.report.notes[1:]
        left = int(note.split()[0])
        assert 120 * 10 < left < 140 * 10
        assert note.endswith("of 1700 masked pixels lie beside the faces and stay as they are")

    def test_a_mask_without_a_face_is_refused(self):
        mask = box(200, 300, 150, 200, 180, 240)
        with pytest.raises(ImageError, match=r"no face lies under the mask \(faces .*: 1\)"):
            inpaint_picture(photo(200, 300), mask, Fake(), faces=[face_at(10, 10, 64)])

    def test_a_progress_callback_of_before_gets_two_counts(self):
        told = []
        with pytest.warns(DeprecationWarning, match="progress= of inpaint_picture is now on_"):
            inpaint_picture(
                *(photo(120, 180), box(120, 180, 20, 70, 40, 80), Fake()),
                faces=[face_at(10, 30, 64)],
                progress=lambda done, total: told.append((done, total)),
            )
        assert told == [(0, 1)]

    def test_faces_or_a_detector_are_needed(self):
        with pytest.raises(OptionError, match="needs a detector"):
            inpaint_picture(photo(64, 64), box(64, 64, 0, 0, 9, 9), Fake())

    def test_the_detector_sees_the_picture_without_white(self, load):
        from gpen_core import load_detector

        picture = skimage.data.astronaut()[:300, 24:424]
        mask = box(300, 400, 90, 190, 110, 215)
        told = []
        result = inpaint_picture(
            picture,
            mask,
            load("random"),
            load_detector("embedded"),
            on_progress=told.append,
        )
        assert [(step.stage, step.done, step.total) for step in told] == [("filling faces", 0, 1)]
        assert np.array_equal(result.pixels[~mask], picture[~mask])
        assert (result.pixels[mask] != picture[mask]).any(axis=1).mean() > 0.9


def segmentation(side, dtype=np.uint8):
    """Three colours of CelebAMask-HQ in bands."""
    made = np.zeros((side, side, 3), np.uint8)
    made[side // 4 :] = (204, 0, 0)
    made[side // 2 :, side // 2 :] = (0, 0, 204)
    return made if dtype == np.uint8 else photo_like(made, dtype)


def photo_like(pixels, dtype):
    if dtype == np.uint16:
        return pixels.astype(np.uint16) * 257
    return pixels.astype(np.float32) / 255


class TestSynthesize:
    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
    def test_a_network_that_changes_nothing_gives_the_map_back(self, same, dtype):
        picture = segmentation(64, dtype)
        result = synthesize_face(picture, same).pixels
        assert result.dtype == dtype
        tolerance = 2e-6 if dtype == np.float32 else dtype == np.uint16
        assert np.abs(result.astype(np.float64) - picture).max() <= tolerance

    def test_the_network_gets_and_gives_values_of_0_to_1(self, monkeypatch, same):
        """The restorer turns its 0..1 into -1..1 for the network, and back."""
        inputs = []
        forward = type(same.network).forward

        def watch(self, image, *rest):
            inputs.append(image)
            return forward(self, image, *rest)

        monkeypatch.setattr(type(same.network), "forward", watch)
        synthesize_face(segmentation(64), same)
        values = sorted({round(v * 255) for v in inputs[0].unique().tolist()})
        assert values == [0, 204]
        dark = Fake(lambda crop: torch.full_like(crop, 0.3))  # the network's -0.4
        assert not synthesize_face(segmentation(64), dark).pixels.any()
        light = Fake(lambda crop: torch.full_like(crop, 0.75))  # the network's 0.5
        assert (synthesize_face(segmentation(64), light).pixels == 128).all()

    @pytest.mark.parametrize("side", [32, 50, 128, 200])
    def test_resizing_mixes_no_colours(self, same, side):
        result = synthesize_face(segmentation(side), same).pixels
        assert result.shape == (64, 64, 3)
        assert {tuple(c) for c in result.reshape(-1, 3).tolist()} == {
            (0, 0, 0),
            (204, 0, 0),
            (0, 0, 204),
        }
        assert side % 4 or np.array_equal(result, segmentation(64))

    def test_what_is_no_map_is_refused_or_noted(self, same):
        with pytest.raises(OptionError, match="must be square, but the picture is 80×64"):
            synthesize_face(photo(64, 80), same)
        with pytest.raises(OptionError, match="holds no colour"):
            synthesize_face(np.full((64, 64, 3), 3, np.uint8), same)
        assert synthesize_face(segmentation(64), same).report.notes == ()
        (note,) = synthesize_face(photo(64, 64), same).report.notes
        assert "but a map has about twenty" in note


def test_results_travel_frozen(same):
    result = colorize_picture(photo(8, 8), same)
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.pixels = None


def test_onnx_models_work_as_well(tmp_path):
    from gpen_core.conversion.convert import convert_model

    pytest.importorskip("onnxruntime")
    torch.save(passthrough_state(TINY), tmp_path / "same.pth")
    model = load_restorer(
        convert_model(tmp_path / "same.pth", tmp_path / "same.onnx").target, "cpu"
    )
    picture = grey_photo(50, 70)
    assert np.array_equal(colorize_picture(picture, model).pixels, picture)
    assert (
        np.abs(synthesize_face(segmentation(64), model).pixels - 1.0 * segmentation(64)).max() <= 1
    )

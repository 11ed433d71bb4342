"""Every public function that takes a picture or a mask takes a PIL image of it as well."""

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image

import gpen_core
from gpen_core.network.config import GpenConfig
from gpen_core.network.synthetic_weights import random_state
from gpen_core.upscaling.upscaler import Upscaler

LANDMARKS = ((203.7, 100.3), (246.1, 102.8), (224.4, 128.2), (201.2, 139.0), (244.3, 140.8))
FACE = gpen_core.Face((176.1, 62.0, 264.1, 169.9), LANDMARKS, 1.0)
PHOTO = skimage.data.astronaut()[:300, :400]
MASK = np.zeros((300, 400), np.float32)
MASK[90:140, 190:260] = 1
MAP = np.zeros((64, 64, 3), np.uint8)
MAP[16:48, 16:48] = (204, 0, 0)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    file = tmp_path_factory.mktemp("models") / "tiny.pth"
    torch.save(random_state(GpenConfig(64, 1, 0.125)), file)
    return gpen_core.load_restorer(file, "cpu")


@pytest.fixture(scope="module")
def detector():
    return gpen_core.load_detector("embedded", device="cpu")


class Repeat:
    """A network that makes each pixel a square of its colour."""

    def to(self, *_):
        return self

    def __call__(self, image):
        return image.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)


def upscaler():
    return Upscaler(Repeat(), "repeat.pth", 2, torch.device("cpu"), torch.float32)


def changed(photo):
    """The photo with another face."""
    return np.where(MASK[..., None] > 0, 255 - photo, photo)


CALLS = {
    "restore_picture": lambda as_given, model, _: (
        gpen_core.restore_picture(
            as_given(PHOTO),
            model,
            faces=[FACE],
            background=as_given(PHOTO[..., ::-1].copy()),
            paste_mask=as_given(MASK),
        ).pixels
    ),
    "restore_pictures": lambda as_given, model, _: (
        next(
            iter(
                gpen_core.restore_pictures(
                    [gpen_core.PictureInput(as_given(PHOTO), [FACE], None, as_given(MASK))], model
                )
            )
        )
        .result()
        .pixels
    ),
    "restore_aligned": lambda as_given, model, _: gpen_core.restore_aligned(as_given(MAP), model),
    "detect_faces": lambda as_given, _, detector: [
        face.points() for face in gpen_core.detect_faces(detector, as_given(PHOTO))
    ],
    "search_faces": lambda as_given, _, detector: [
        face.points() for face in gpen_core.search_faces(detector, as_given(PHOTO)).faces
    ],
    "changed_faces": lambda as_given, *_: [
        face.points()
        for face in gpen_core.changed_faces([FACE], as_given(changed(PHOTO)), as_given(PHOTO))
    ],
    "face_changes": lambda as_given, *_: gpen_core.face_changes(
        [FACE], as_given(changed(PHOTO)), as_given(PHOTO)
    ),
    "colorize_picture": lambda as_given, model, _: (
        gpen_core.colorize_picture(as_given(PHOTO), model).pixels
    ),
    "inpaint_aligned": lambda as_given, model, _: (
        gpen_core.inpaint_aligned(
            as_given(PHOTO[:300, :300]), as_given(MASK[:, :300]), model
        ).pixels
    ),
    "inpaint_picture": lambda as_given, model, _: (
        gpen_core.inpaint_picture(as_given(PHOTO), as_given(MASK), model, faces=[FACE]).pixels
    ),
    "synthesize_face": lambda as_given, model, _: (
        gpen_core.synthesize_face(as_given(MAP), model).pixels
    ),
    "resample": lambda as_given, *_: gpen_core.resample(as_given(PHOTO), 1.5).pixels,
    "upscale": lambda as_given, *_: upscaler().upscale(as_given(PHOTO), 3).pixels,
    "draw_faces": lambda as_given, *_: gpen_core.draw_faces(as_given(PHOTO), [FACE]),
}


def as_image(array):
    """A PIL image of a picture or of a mask."""
    if array.ndim == 2:
        return Image.fromarray((array * 255).astype(np.uint8))
    return Image.fromarray(np.ascontiguousarray(array))


@pytest.mark.parametrize("name", CALLS)
def test_a_pil_image_gives_what_its_array_gives(name, model, detector):
    expected = np.asarray(CALLS[name](np.asarray, model, detector))
    result = CALLS[name](as_image, model, detector)
    assert not isinstance(result, Image.Image)
    assert np.array_equal(np.asarray(result), expected)
    assert expected.size


def test_an_image_that_is_unusable_fails_its_picture_alone(model):
    images = [
        gpen_core.PictureInput(Image.new("CMYK", (64, 64)), [FACE]),
        gpen_core.PictureInput(Image.fromarray(PHOTO), [FACE]),
    ]
    bad, good = gpen_core.restore_pictures(images, model)
    assert isinstance(bad.failure, gpen_core.ImageError)
    assert good.result().report.restored == 1


@pytest.mark.parametrize("picture", [PHOTO, Image.fromarray(PHOTO), "photo.png"])
def test_a_picture_alone_among_inputs_is_refused_by_name(model, picture):
    alone, loaded, good = gpen_core.restore_pictures(
        [picture, lambda _: picture, gpen_core.PictureInput(PHOTO, [FACE])], model
    )
    for outcome in (alone, loaded):
        with pytest.raises(gpen_core.OptionError, match=r"wrap a picture: PictureInput\(picture\)"):
            outcome.result()
    assert good.result().report.restored == 1


def test_a_background_of_another_kind_is_refused(model):
    with pytest.raises(gpen_core.ImageError, match="the background must be a NumPy array or a PIL"):
        gpen_core.restore_picture(PHOTO, model, faces=[FACE], background="photo.png")


def test_drawing_on_another_type_is_refused():
    with pytest.raises(gpen_core.ImageError, match="the picture must be uint8, not float32"):
        gpen_core.draw_faces(PHOTO.astype(np.float32) / 255, [FACE])

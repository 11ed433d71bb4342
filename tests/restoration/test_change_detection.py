import numpy as np
import pytest
import skimage.data
import torch

from gpen_core.errors import OptionError
from gpen_core.faces.face import Face, number_faces
from gpen_core.restoration.change_detection import changed_faces, face_changes

LANDMARKS = ((203.7, 100.3), (246.1, 102.8), (224.4, 128.2), (201.2, 139.0), (244.3, 140.8))
FACE = Face((176.1, 62.0, 264.1, 169.9), LANDMARKS, 1.0)


def two_faces():
    """The photo's face, and a second one pasted to its right."""
    photo = skimage.data.astronaut()
    photo[180:340, 300:460] = photo[40:200, 140:300]
    points = tuple((x + 160, y + 140) for x, y in LANDMARKS)
    return photo, number_faces([FACE, Face((336.1, 202.0, 424.1, 309.9), points, 0.9)])


def swapped(photo):
    """The second face with its colours changed, as a swap would."""
    after = photo.copy()
    after[230:300, 340:420] = 255 - after[230:300, 340:420]
    return after


def test_only_the_changed_face_is_found():
    photo, faces = two_faces()
    assert [face.index for face in changed_faces(faces, swapped(photo), photo)] == [1]


def test_nothing_has_changed_in_an_equal_picture():
    photo, faces = two_faces()
    assert face_changes(faces, photo, photo) == (0.0, 0.0)
    assert changed_faces(faces, photo, photo, threshold=0.0) == ()


def test_noise_and_rounding_are_no_change():
    photo, faces = two_faces()
    noise = np.random.RandomState(0).normal(0, 4, photo.shape)
    noisy = (photo + noise).clip(0, 255).round().astype(np.uint8)
    assert changed_faces(faces, noisy, photo) == ()


def test_the_original_may_be_of_another_size():
    photo, faces = two_faces()
    after = torch.from_numpy(swapped(photo)).permute(2, 0, 1).float().unsqueeze(0)
    large = torch.nn.functional.interpolate(after, scale_factor=2, mode="bicubic")
    large = large[0].permute(1, 2, 0).clamp(0, 255).to(torch.uint8).numpy()
    doubled = tuple(
        Face(
            tuple(2 * v + 0.5 for v in face.box),
            tuple((2 * x + 0.5, 2 * y + 0.5) for x, y in face.landmarks),
            face.score,
            face.index,
        )
        for face in faces
    )
    assert [face.index for face in changed_faces(doubled, large, photo)] == [1]


def test_another_picture_is_refused():
    photo, faces = two_faces()
    with pytest.raises(OptionError):
        changed_faces(faces, photo, photo[:300])

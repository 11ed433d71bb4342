"""The whole way of a picture, with a network whose answer is known."""

import itertools
import json

import numpy as np
import pytest
import skimage.data
import torch

from gpen_core.detection.detector import FoundFaces
from gpen_core.detection.options import DetectionOptions
from gpen_core.detection.registry import load_detector
from gpen_core.errors import Cancelled, GpenError, ImageError, OptionError, TimeLimitError
from gpen_core.faces.face import Face, number_faces
from gpen_core.geometry.alignment import align
from gpen_core.network.config import GpenConfig
from gpen_core.network.generator import GpenNetwork
from gpen_core.network.synthetic_weights import detail_state, passthrough_state
from gpen_core.restoration import face_job
from gpen_core.restoration.options import RestorationOptions
from gpen_core.restoration.pipeline import restore_aligned, restore_picture
from gpen_core.restoration.plan import PictureInput
from gpen_core.restoration.stream import restore_pictures
from gpen_core.restorers.torch_restorer import TorchRestorer
from gpen_core.runtime import out_of_memory, timing
from gpen_core.upscaling.enlarged import UpscaledPicture

CONFIG = GpenConfig(256, 1, 0.125)


def restorer(state=passthrough_state):
    def build(dtype):
        return GpenNetwork(state(CONFIG), CONFIG, dtype)

    return TorchRestorer(CONFIG, "known.pth", build, torch.device("cpu"), torch.float32)


@pytest.fixture(scope="module")
def passthrough():
    return restorer()


@pytest.fixture(scope="module")
def photo():
    return skimage.data.astronaut()


@pytest.fixture(scope="module")
def face():
    """The face in the photo, as the embedded detector finds it."""
    landmarks = ((203.7, 100.3), (246.1, 102.8), (224.4, 128.2), (201.2, 139.0), (244.3, 140.8))
    return Face((176.1, 62.0, 264.1, 169.9), landmarks, 1.0)


def moved(face, dx, dy, index=0):
    left, top, right, bottom = face.box
    points = tuple((x + dx, y + dy) for x, y in face.landmarks)
    return Face((left + dx, top + dy, right + dx, bottom + dy), points, 0.9, index)


def psnr(a, b, mask):
    error = (a.astype(np.float64) - b.astype(np.float64))[mask]
    return 10 * np.log10(255**2 / np.mean(error**2))


def test_a_face_comes_back_where_it_was_in_its_colours(photo, passthrough):
    result = restore_picture(photo, passthrough, load_detector("embedded"))
    assert len(result.faces) == 1
    inside = result.mask > 0.99
    assert inside.sum() > 5000
    assert psnr(result.pixels, photo, inside) > 45
    assert psnr(result.pixels[:, :, ::-1], photo, inside) < 25
    assert np.array_equal(result.pixels[result.mask == 0], photo[result.mask == 0])
    assert result.pixels.dtype == np.uint8


def test_the_network_is_what_changes_the_face(photo, face):
    result = restore_picture(photo, restorer(detail_state), faces=[face])
    inside = result.mask > 0.99
    assert psnr(result.pixels, photo, inside) < 40
    assert np.array_equal(result.pixels[result.mask == 0], photo[result.mask == 0])


def test_report_tells_what_was_done(photo, face, passthrough):
    faces = number_faces([face, moved(face, 200, 150)])
    options = RestorationOptions(strength=0.5, faces="1")
    report = restore_picture(photo, passthrough, options=options, faces=faces).report
    assert report.restored == 1
    assert report.summary() == "restored 1 of 2 faces (1 not selected)"
    told = json.loads(report.to_json())
    assert told["model"] == "known.pth"
    assert told["model_size"] == 256
    assert told["strength"] == 0.5
    assert [f["restored"] for f in told["faces"]] == [False, True]
    assert told["faces"][0]["skipped"] == "not selected"
    assert told["faces"][1]["crop_scale"] == pytest.approx(align(face, 256).scale, abs=1e-3)
    assert told["faces"][1]["milliseconds"] > 0
    assert set(told["milliseconds"]) == {"crop", "restore", "paste"}


def test_no_face_leaves_the_picture_and_says_so(passthrough):
    coffee = skimage.data.coffee()
    result = restore_picture(coffee, passthrough, load_detector("embedded"))
    assert np.array_equal(result.pixels, coffee)
    assert not result.mask.any()
    assert result.report.summary() == "no face found; the picture is unchanged"


def test_a_face_without_extent_is_skipped_with_its_reason(photo, face, passthrough):
    flat = Face((10, 10, 50, 50), ((20.0, 20.0),) * 5, 0.9)
    faces = number_faces([face, flat])
    result = restore_picture(photo, passthrough, faces=faces)
    skipped = [f for f in result.report.faces if f.skipped]
    assert len(skipped) == 1
    assert "landmarks" in skipped[0].skipped
    assert result.report.restored == 1


def test_the_input_is_never_written_to(photo, face, passthrough):
    before = photo.copy()
    restore_picture(photo, passthrough, faces=[face])
    assert np.array_equal(photo, before)


def test_the_result_is_the_same_every_time(photo, face, passthrough):
    first = restore_picture(photo, passthrough, faces=[face])
    second = restore_picture(photo, passthrough, faces=[face])
    assert np.array_equal(first.pixels, second.pixels)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_other_depths_give_the_same_picture(photo, face, passthrough, dtype):
    expected = restore_picture(photo, passthrough, faces=[face]).pixels
    deep = photo.astype(np.uint16) * 257 if dtype == np.uint16 else (photo / 255).astype(dtype)
    result = restore_picture(deep, passthrough, faces=[face])
    assert result.pixels.dtype == dtype
    scale = 257 if dtype == np.uint16 else 1 / 255
    assert np.abs(result.pixels / scale - expected).max() < 0.51
    assert np.array_equal(result.pixels[result.mask == 0], deep[result.mask == 0])


@pytest.mark.parametrize("factor", [2, 3])
def test_faces_go_into_an_enlarged_background(photo, face, passthrough, factor):
    height, width = photo.shape[:2]
    tensor = torch.from_numpy(photo.copy()).permute(2, 0, 1).float().unsqueeze(0)
    large = torch.nn.functional.interpolate(tensor, scale_factor=factor, mode="bicubic")
    background = large[0].permute(1, 2, 0).clamp(0, 255).round().to(torch.uint8).numpy()
    result = restore_picture(photo, passthrough, faces=[face], background=background)
    assert result.pixels.shape == (height * factor, width * factor, 3)
    inside = result.mask > 0.99
    # A shift of half an output pixel would bring this down to about 34.
    assert psnr(result.pixels, background, inside) > 42
    assert np.array_equal(result.pixels[result.mask == 0], background[result.mask == 0])


def test_the_report_names_what_enlarged_the_background(photo, face, passthrough):
    background = UpscaledPicture(photo.repeat(2, 0).repeat(2, 1), "x2.pth", ("in small tiles",))
    result = restore_picture(photo, passthrough, faces=[face], background=background)
    assert result.pixels.shape == (1024, 1024, 3)
    assert result.report.upscaler == "x2.pth"
    assert result.report.notes == ("in small tiles",)
    unchanged = result.mask == 0
    assert np.array_equal(result.pixels[unchanged], background.pixels[unchanged])
    assert (~unchanged).sum() > 20000


def test_a_background_of_another_shape_is_refused(photo, face, passthrough):
    with pytest.raises(OptionError, match="512×512"):
        restore_picture(photo, passthrough, faces=[face], background=photo[:300])


def test_strength_blends(photo, face):
    strong = restorer(detail_state)
    full = restore_picture(photo, strong, faces=[face]).pixels.astype(float)
    half = restore_picture(photo, strong, options=RestorationOptions(strength=0.5), faces=[face])
    assert np.abs(half.pixels - (photo + full) / 2).max() <= 1
    none = restore_picture(photo, strong, options=RestorationOptions(strength=0.0), faces=[face])
    assert np.array_equal(none.pixels, photo)
    assert not none.mask.any()


def test_a_limit_keeps_pixels(photo, face):
    limit = np.ones(photo.shape[:2], np.float32)
    limit[:, :224] = 0
    result = restore_picture(photo, restorer(detail_state), faces=[face], paste_mask=limit)
    assert np.array_equal(result.pixels[:, :224], photo[:, :224])
    assert not np.array_equal(result.pixels[:, 224:], photo[:, 224:])


def test_progress_counts_faces_and_shows_them(photo, face, passthrough):
    told = []
    faces = number_faces([face, moved(face, 180, 120)])
    restore_picture(photo, passthrough, faces=faces, on_progress=told.append)
    assert [(p.stage, p.done, p.total) for p in told] == [
        ("restoring faces", 0, 2),
        ("restoring faces", 1, 2),
        ("restoring faces", 2, 2),
        ("done", 2, 2),
    ]
    assert told[1].crop.shape == (3, 256, 256)


@pytest.mark.parametrize("answers", [0, 1, 3, 6])
def test_cancel_stops_and_returns_nothing(photo, face, passthrough, answers):
    asked = []

    def cancelled():
        asked.append(True)
        return len(asked) > answers

    with pytest.raises(Cancelled):
        restore_picture(photo, passthrough, load_detector("embedded"), cancelled=cancelled)


class _SlowDetector:
    """Asks whether to stop for as long as it is let; a clock of its own makes no test wait."""

    name, default_confidence = "slow", 0.5

    def detect(self, pixels, options, cancelled=None):
        for _ in range(100):
            if cancelled():
                raise Cancelled("the search was cancelled")
        return ()


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on by a second whenever it is read."""
    ticks = itertools.count()
    monkeypatch.setattr(timing.time, "monotonic", lambda: float(next(ticks)))


def test_a_time_limit_ends_the_search_with_an_error_that_names_it(photo, passthrough, clock):
    with pytest.raises(TimeLimitError, match="time limit of 5 s"):
        restore_picture(photo, passthrough, _SlowDetector(), time_limit=5)
    restore_picture(photo, passthrough, _SlowDetector(), time_limit=5000)


def test_a_time_limit_ends_the_network_too(photo, face, passthrough, clock, monkeypatch):
    def restore_many(crops, cancelled):
        while not cancelled():
            pass
        raise Cancelled("the restoration was cancelled")

    monkeypatch.setattr(passthrough, "restore_many", restore_many)
    with pytest.raises(TimeLimitError, match="time limit of 20 s"):
        restore_picture(photo, passthrough, faces=[face], time_limit=20)


def test_who_cancels_is_not_told_of_a_time_limit(photo, passthrough, clock):
    with pytest.raises(Cancelled):
        restore_picture(photo, passthrough, _SlowDetector(), cancelled=lambda: True, time_limit=9)


def test_a_time_limit_is_of_each_picture_and_stops_no_other(photo, face, passthrough, clock):
    tasks = [PictureInput(photo), PictureInput(photo, [face]), PictureInput(photo)]
    outcomes = list(restore_pictures(tasks, passthrough, _SlowDetector(), time_limit=50))
    assert [type(outcome.failure) for outcome in outcomes] == [
        TimeLimitError,
        type(None),
        TimeLimitError,
    ]


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_what_is_no_time_limit_is_refused(photo, passthrough, seconds):
    with pytest.raises(OptionError, match="time limit"):
        restore_picture(photo, passthrough, _SlowDetector(), time_limit=seconds)


@pytest.mark.parametrize("shape", [(1, 10000), (10000, 1), (10, 30000), (30000, 10), (1, 1)])
def test_extreme_shapes_are_searched_and_a_face_in_them_is_no_crash(passthrough, face, shape):
    pixels = np.zeros((*shape, 3), np.uint8)
    found = restore_picture(pixels, passthrough, load_detector("embedded", []))
    assert found.faces == ()
    assert (found.pixels == 0).all()
    given = restore_picture(pixels, passthrough, faces=[face])
    assert given.pixels.shape == pixels.shape
    assert len(given.report.faces) == 1


def test_what_a_search_leaves_out_is_in_the_report(photo, passthrough):
    class Bounded(_SlowDetector):
        def detect(self, pixels, options, cancelled=None):
            return ()

        def smallest_searched(self, width, height):
            return 30.2

    report = restore_picture(photo, passthrough, Bounded()).report
    assert any("faces below about 31 pixels" in note for note in report.notes)
    wanted = DetectionOptions(minimum_size=31)
    assert not restore_picture(photo, passthrough, Bounded(), detection=wanted).report.notes


def test_a_failing_network_is_an_error_and_not_an_unrestored_face(photo, face):
    def broken(config):
        state = passthrough_state(config)
        state["generator.to_rgbs.5.bias"] = torch.full((1, 3, 1, 1), float("nan"))
        return state

    with pytest.raises(GpenError, match="not finite"):
        restore_picture(photo, restorer(broken), faces=[face])


def test_crops_are_kept_only_when_asked_for(photo, face, passthrough):
    kept = restore_picture(photo, passthrough, faces=[face]).crops
    assert len(kept) == 1
    assert kept[0].restored.shape == (3, 256, 256)
    assert (kept[0].restored - kept[0].aligned).abs().max() < 1e-5
    assert restore_picture(photo, passthrough, faces=[face], keep_crops=False).crops == ()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, OptionError, "needs a detector"),
        ({"options": RestorationOptions(mask="parse"), "faces": []}, OptionError, "parser"),
    ],
)
def test_arguments_that_do_not_fit(photo, passthrough, arguments, error, message):
    with pytest.raises(error, match=message):
        restore_picture(photo, passthrough, **arguments)


def test_faces_with_one_number_are_refused(photo, face, passthrough):
    with pytest.raises(OptionError, match="numbers of their own"):
        restore_picture(photo, passthrough, faces=[face, face])


@pytest.mark.parametrize("shape", [(0, 5, 3), (5, 5), (5, 5, 4)])
def test_what_is_no_picture_is_refused(passthrough, shape):
    with pytest.raises(ImageError):
        restore_picture(np.zeros(shape, np.uint8), passthrough, faces=[])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_an_aligned_picture_goes_through_the_network_alone(passthrough, dtype):
    photo = skimage.data.astronaut().astype(dtype) * (257 if dtype == np.uint16 else 1)
    out = restore_aligned(photo, passthrough)
    assert out.shape == (256, 256, 3)
    assert out.dtype == dtype
    halves = photo.reshape(256, 2, 256, 2, 3).mean((1, 3))
    unit = 257 if dtype == np.uint16 else 1
    assert psnr(out / unit, halves / unit, np.s_[8:-8, 8:-8]) > 30


def test_an_aligned_picture_of_the_models_size_is_not_resampled(passthrough):
    photo = skimage.data.astronaut()[:256, :256]
    assert np.array_equal(restore_aligned(photo, passthrough), photo)


def test_an_aligned_picture_must_be_square(passthrough):
    with pytest.raises(OptionError, match="square"):
        restore_aligned(np.zeros((20, 30, 3), np.uint8), passthrough)


def scaled(face, factor):
    points = tuple((220 + (x - 220) * factor, 120 + (y - 120) * factor) for x, y in face.landmarks)
    return Face(face.box, points, 0.9)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda face: moved(face, 5000, 0), "outside the picture"),
        (lambda face: scaled(face, 0.001), "too small"),
        (lambda face: scaled(face, 1e4), "far apart"),
    ],
)
def test_a_face_of_which_nothing_can_be_seen_is_not_called_restored(
    photo, face, passthrough, change, reason
):
    result = restore_picture(photo, passthrough, faces=[change(face)])
    assert reason in result.report.faces[0].skipped
    assert result.report.restored == 0
    assert np.array_equal(result.pixels, photo)


def test_given_faces_are_not_said_to_be_found_by_the_detector(photo, face, passthrough):
    result = restore_picture(photo, passthrough, load_detector("embedded"), faces=iter([face]))
    assert result.report.detector is None
    assert result.report.restored == 1


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32])
def test_a_background_of_another_type_is_refused_before_any_work(photo, passthrough, dtype):
    with pytest.raises(ImageError, match="background"):
        restore_picture(photo, passthrough, faces=[], background=photo.astype(dtype))


@pytest.mark.parametrize("limit", [np.full((512, 512), np.nan), np.full((512, 512), 255.0)])
def test_a_mask_with_other_values_is_refused(photo, face, passthrough, limit):
    with pytest.raises(OptionError, match="mask"):
        restore_picture(photo, passthrough, faces=[face], paste_mask=limit.astype(np.float32))


@pytest.mark.parametrize("picture", [[[1, 2, 3]], None, "photo.png"])
def test_what_is_no_array_is_refused(passthrough, picture):
    with pytest.raises(ImageError, match="NumPy"):
        restore_picture(picture, passthrough, faces=[])


def test_a_host_may_change_torchs_defaults(photo, face, passthrough):
    expected = restore_picture(photo, passthrough, load_detector("embedded")).pixels
    torch.set_default_dtype(torch.float64)
    try:
        result = restore_picture(photo, passthrough, load_detector("embedded"))
    finally:
        torch.set_default_dtype(torch.float32)
    assert np.array_equal(result.pixels, expected)
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.inference_mode():
        result = restore_picture(photo, passthrough, load_detector("embedded"))
    assert np.array_equal(result.pixels, expected)


@pytest.mark.parametrize("step", ["extract_crop", "match_colour"])
def test_steps_beside_the_network_go_on_when_memory_runs_out(
    photo, face, passthrough, monkeypatch, step
):
    options = RestorationOptions(colour="lowfreq")
    expected = restore_picture(photo, passthrough, options=options, faces=[face]).pixels
    original, tried = getattr(face_job, step), []

    def failing(*args):
        tried.append(True)
        if len(tried) == 1:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return original(*args)

    monkeypatch.setattr(face_job, step, failing)
    work = face_job.with_cpu_fallback
    # As if the step had been on a GPU, which there is none of here.
    monkeypatch.setattr(
        face_job,
        "with_cpu_fallback",
        lambda doing, do, _, notes: work(
            doing, lambda device: do(torch.device("cpu")), torch.device("xpu"), notes
        ),
    )
    monkeypatch.setattr(out_of_memory, "release_memory", lambda device: None)
    result = restore_picture(photo, passthrough, options=options, faces=[face])
    assert np.array_equal(result.pixels, expected)
    assert any("memory ran out on xpu" in note for note in result.report.notes)


class TestFacesThatStayAsTheyAre:
    """Whoever is told that a face was restored finds it changed."""

    def test_an_empty_limit_is_an_error_that_says_so(self, photo, face, passthrough):
        limit = np.zeros(photo.shape[:2], np.float32)
        with pytest.raises(OptionError, match=r"the mask is empty.*where faces may be restored"):
            restore_picture(photo, passthrough, faces=[face], paste_mask=limit)

    def test_a_limit_beside_a_face_leaves_it_and_the_network_alone(self, photo, face, passthrough):
        limit = np.zeros(photo.shape[:2], np.float32)
        limit[0, 0] = 1
        steps = []
        result = restore_picture(
            photo, passthrough, faces=[face], paste_mask=limit, on_progress=steps.append
        )
        assert result.report.summary() == "restored 0 of 1 face (1 outside the mask)"
        assert result.crops == ()
        assert all(step.crop is None for step in steps)
        assert np.array_equal(result.pixels, photo)

    def test_strength_0_restores_nothing(self, photo, face, passthrough):
        options = RestorationOptions(strength=0.0)
        result = restore_picture(photo, passthrough, options=options, faces=[face])
        assert result.report.summary() == "restored 0 of 1 face (1 pasted at strength 0)"
        assert len(result.crops) == 1

    def test_a_parser_that_sees_nothing_restores_nothing(self, photo, face, passthrough):
        class Blind:
            device = torch.device("cpu")

            def mask(self, crop, device):
                return crop.new_zeros(crop.shape[1:])

        options = RestorationOptions(mask="parse")
        result = restore_picture(
            photo, passthrough, options=options, faces=[face], face_parser=Blind()
        )
        assert result.report.summary() == (
            "restored 0 of 1 face (1 without face or hair in the parse mask)"
        )
        assert np.array_equal(result.pixels, photo)

    def test_who_was_left_out_elsewhere_is_counted(self, photo, face, passthrough):
        found = FoundFaces((face,)).keep([], "not changed by the swap")
        report = restore_picture(photo, passthrough, faces=found).report
        assert report.summary() == (
            "no face restored (1 not changed by the swap); the picture is unchanged"
        )

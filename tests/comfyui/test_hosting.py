"""Memory, progress and cancelling, as the host wants them."""

import gc
import weakref
from pathlib import Path

import PIL.Image
import pytest
import torch


@pytest.fixture
def run_all(pack, detector, load_model, couple):
    """Every node that takes time, by id, on two frames; a model may be given."""

    def run(node_id, model=None, frames=None):
        frames = torch.cat([couple, couple]) if frames is None else frames
        model = model or load_model("random", 256)
        faces = pack.run("GPENDetectFaces", image=frames, detector=detector)[0]
        crops, cut = pack.run("GPENCropFaces", image=frames, faces=faces, size="256")
        inputs = {
            "GPENDetectFaces": {"image": frames, "detector": detector},
            "GPENRestoreImage": {"image": frames, "model": model, "detector": detector},
            "GPENRestoreAfterSwap": {
                **{"swapped_image": frames, "original_image": 1 - frames},
                **{"model": model, "detector": detector},
            },
            "GPENCropFaces": {"image": frames, "faces": faces, "size": "256"},
            "GPENRestoreFaces": {"model": model, "crops": crops},
            "GPENPasteFacesBack": {"image": frames, "faces": cut, "restored": crops},
        }[node_id]
        return lambda: pack.run(node_id, **inputs)

    return run


RESTORING = ["GPENRestoreImage", "GPENRestoreAfterSwap", "GPENRestoreFaces"]


@pytest.mark.parametrize("node_id", RESTORING)
def test_the_host_makes_room_and_loads_the_model_whole(run_all, load_model, loads, node_id):
    model = load_model("random", 256)
    run_all(node_id, model)()
    assert loads
    for patchers, options in loads:
        assert patchers == [model.patcher]
        assert options == {
            "force_full_load": True,
            "memory_required": model.restorer.working_memory(),
        }
        assert options["memory_required"] > 0


@pytest.mark.parametrize("node_id", RESTORING)
def test_after_a_run_the_model_holds_its_weights_alone(run_all, load_model, node_id, monkeypatch):
    model, settled = load_model("random", 256), []
    monkeypatch.setattr(model.restorer, "release_caches", lambda: settled.append(True))
    run_all(node_id, model)()
    assert settled == [True]


@pytest.mark.parametrize("node_id", RESTORING)
def test_a_network_that_is_given_up_is_let_go(run_all, load_model, node_id, monkeypatch, caplog):
    model = load_model("random", 256, precision="bf16")
    patcher, network = model.patcher, weakref.ref(model.restorer.network)
    forward = type(network()).forward

    def fail_in_half(self, *args):
        result = forward(self, *args)
        return result * torch.nan if self.dtype == torch.bfloat16 else result

    job = run_all(node_id, model)
    monkeypatch.setattr(type(network()), "forward", fail_in_half)
    assert torch.isfinite(job()[0]).all()
    assert model.restorer.notes
    assert model.patcher is not patcher
    assert model.patcher.model is model.restorer.network
    assert model.restorer.network.dtype == torch.float32
    del patcher
    gc.collect()
    assert network() is None, "something still holds the old network"


def test_what_the_host_would_unload_counts_as_free(pack, load_model, photo, detector, monkeypatch):
    """Other models on its device do, and no others."""
    model, told = load_model("random", 256), []
    management, patchers = pack.host.model_management, pack.host.model_patcher
    cpu, other = torch.device("cpu"), torch.device("meta")
    there = patchers.ModelPatcher(torch.nn.BatchNorm1d(1000), cpu, other)
    stays = patchers.ModelPatcher(torch.nn.BatchNorm1d(1000), cpu, cpu)
    elsewhere = patchers.ModelPatcher(torch.nn.BatchNorm1d(1000), other, cpu)
    monkeypatch.setattr(
        management, "loaded_models", lambda: [there, None, elsewhere, stays, model.patcher]
    )
    monkeypatch.setattr(
        model.restorer, "choose_way", lambda reclaimable=0: told.append(reclaimable)
    )
    pack.run("GPENRestoreImage", image=photo, model=model, detector=detector)
    assert there.loaded_size() == 2 * 4000 + 8
    assert there.loaded_size() in told
    assert set(told) == {0, there.loaded_size()}


def test_a_model_that_goes_on_elsewhere_is_managed_there(pack, load_model, photo, loads, detector):
    """As after the last step when memory runs out: from the GPU to the CPU."""
    model = load_model("random", 256)
    model.patcher.load_device = torch.device("meta")
    pack.run("GPENRestoreImage", image=photo, model=model, detector=detector)
    assert model.patcher.load_device == model.restorer.way.device == torch.device("cpu")
    assert model.patcher.offload_device == torch.device("cpu")
    assert [patchers for patchers, _ in loads] == [[model.patcher]]


def test_a_model_that_the_host_has_moved_away_works(pack, load_model, photo, detector, monkeypatch):
    """Where the host never loads models whole, they stay where they wait."""
    model = load_model("random", 256)
    first = pack.run("GPENRestoreImage", image=photo, model=model, detector=detector)[0]
    management = pack.host.model_management
    monkeypatch.setattr(management, "load_models_gpu", lambda *_args, **_options: None)
    model.restorer.network.to("cpu")
    again = pack.run("GPENRestoreImage", image=photo, model=model, detector=detector)[0]
    assert torch.equal(first, again)


def test_the_same_in_and_out_of_inference_mode(pack, load_model, photo, detector):
    model = load_model("random", 256)
    inside = pack.run("GPENRestoreImage", image=photo, model=model, detector=detector)[0]
    (crops, _) = pack.run(
        "GPENCropFaces",
        image=photo,
        faces=pack.run("GPENDetectFaces", image=photo, detector=detector)[0],
        size="256",
    )
    outside = pack.nodes["GPENRestoreFaces"].execute(model=model, crops=crops.clone()).result[0]
    assert outside.shape == crops.shape
    assert inside.shape == photo.shape
    assert crops.is_inference()


@pytest.mark.parametrize("node_id", RESTORING)
def test_progress_counts_faces_and_shows_each(run_all, node_id, progress):
    job = run_all(node_id)
    progress.clear()
    job()
    shown = [(value, total, preview) for value, total, preview in progress if preview]
    assert [value / total for value, total, _ in shown] == [0.25, 0.5, 0.75, 1]
    for _, _, (kind, picture, side) in shown:
        assert kind == "JPEG"
        assert isinstance(picture, PIL.Image.Image)
        assert picture.mode == "RGB"
        assert max(picture.size) <= side == 512
    assert progress[-1][0] == progress[-1][1]


def test_progress_of_detection_counts_pictures(run_all, progress):
    job = run_all("GPENDetectFaces")
    progress.clear()
    job()
    assert progress == [(1, 2, None), (2, 2, None)]


def test_a_preview_of_a_large_crop_is_small(pack, progress):
    bar = pack.part("nodes.shared.host").Bar(1)
    bar.advance(torch.linspace(-0.1, 1.1, 1024).expand(3, 1024, 1024))
    picture = progress[0][2][1]
    assert picture.size == (512, 512)
    assert picture.getpixel((0, 0)) == (0, 0, 0)
    assert picture.getpixel((511, 0)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("node_id", "asked"),
    [
        ("GPENDetectFaces", 2),
        ("GPENRestoreImage", 2),
        ("GPENRestoreImage", 20),
        ("GPENRestoreAfterSwap", 2),
        ("GPENRestoreAfterSwap", 20),
        ("GPENRestoreFaces", 1),
        ("GPENRestoreFaces", 8),
    ],
)
@pytest.mark.parametrize("threads", [False, True])
def test_cancel_stops_in_the_middle_with_the_host_s_exception(
    pack, run_all, monkeypatch, node_id, asked, threads, progress
):
    """The user presses Cancel just before the node asks for the `asked`th time."""
    monkeypatch.setattr(
        pack.part("gpen_core.restoration.stream"), "benefits_from_threads", lambda device: threads
    )
    job, management = run_all(node_id), pack.host.model_management
    original, times = management.processing_interrupted, []

    def press():
        times.append(1)
        if len(times) == asked:
            management.interrupt_current_processing(True)
        return original()

    monkeypatch.setattr(management, "processing_interrupted", press)
    progress.clear()
    with pytest.raises(management.InterruptProcessingException) as caught:
        job()
    assert not isinstance(caught.value, pack.part("gpen_core.errors").GpenError)
    assert len(times) == asked, "it went on after Cancel"
    assert not original(), "the next run must not be stopped"
    assert not progress or progress[-1][0] < progress[-1][1] or not progress[-1][2]


@pytest.mark.parametrize("node_id", ["GPENCropFaces", "GPENPasteFacesBack"])
def test_cancel_stops_the_quick_nodes_between_pictures(pack, run_all, node_id):
    job, management = run_all(node_id), pack.host.model_management
    management.interrupt_current_processing(True)
    with pytest.raises(management.InterruptProcessingException):
        job()
    assert not management.processing_interrupted()


@pytest.mark.parametrize("threads", [False, True])
def test_cancel_in_the_host_s_progress_hook_is_not_swallowed(
    pack, run_all, monkeypatch, threads, progress
):
    """The host itself asks for Cancel whenever a bar advances."""
    monkeypatch.setattr(
        pack.part("gpen_core.restoration.stream"), "benefits_from_threads", lambda device: threads
    )
    management, job = pack.host.model_management, run_all("GPENRestoreImage")

    def hook(value, total, preview=None, node_id=None):
        if preview:
            raise management.InterruptProcessingException

    pack.host.utils.set_progress_bar_global_hook(hook)
    with pytest.raises(management.InterruptProcessingException):
        job()


def test_a_crowd_of_crops_is_kept_once_and_in_the_host_s_type(pack, monkeypatch):
    crops = pack.part("nodes.shared.results").CropBatch()
    with torch.inference_mode():
        crops.add(torch.full((3, 8, 8), 0.25))
        crops.add(torch.full((3, 8, 8), 1.5))
        first, second = crops.image(), crops.image()
    assert first.shape == (2, 8, 8, 3), "a face that was left out leaves no gap"
    assert first.data_ptr() == second.data_ptr()
    assert first[0].unique() == 0.25
    assert first[1].unique() == 1
    monkeypatch.setattr(
        pack.host.model_management, "intermediate_dtype", lambda: torch.float16, raising=False
    )
    half = pack.part("nodes.shared.results").CropBatch()
    half.add(torch.rand(3, 8, 8))
    assert half.image().dtype == torch.float16
    assert pack.part("nodes.shared.results").CropBatch().image().dtype == torch.float16


class TestOnnx:
    @pytest.fixture
    def asked(self, pack, monkeypatch):
        """What the host was asked to free: bytes and device."""
        wishes, management = [], pack.host.model_management
        real = management.free_memory

        def free(size, device, *rest):
            wishes.append((size, device))
            return real(size, device, *rest)

        monkeypatch.setattr(management, "free_memory", free)
        return wishes

    @pytest.fixture
    def model(self, pack, folders, asked):
        onnx = pytest.importorskip("onnx", reason="builds the file")
        pytest.importorskip("onnxruntime", reason="runs the file")
        answers = pack.part("gpen_core.network.synthetic_weights")
        config = pack.part("gpen_core.network.config").GpenConfig(256, 1, 0.125)
        build = pack.part("gpen_core.conversion.onnx_graph").build_model
        path = Path(folders.models_dir) / "facerestore_models" / "passthrough.onnx"
        path.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(build(answers.passthrough_state(config), config, False, 17, {}), path)
        return pack.run("GPENLoadModel", model_name=path.name, precision="auto")[0]

    def test_room_is_made_before_the_file_is_loaded_and_before_each_run(
        self, run_all, model, asked, loads
    ):
        assert len(asked) == 1
        assert model.patcher is None
        run_all("GPENRestoreImage", model)()
        assert len(asked) > 1
        assert all(size > 0 and device == torch.device("cpu") for size, device in asked)
        assert not loads, "onnxruntime's memory is not the host's to load"

    def test_the_same_nodes_and_a_report_that_names_the_provider(self, run_all, model):
        image, mask, _crops, report = run_all("GPENRestoreImage", model)()
        assert torch.isfinite(image).all()
        assert mask.max() > 0.9
        assert '"device": "CPUExecutionProvider"' in report

    def test_it_is_listed(self, pack, model):
        options = pack.nodes["GPENLoadModel"].GET_SCHEMA().inputs[0].options
        assert options == ["passthrough.onnx"]


def test_between_runs_the_weights_are_all_that_is_held(
    pack, load_model, each_device, photo, detector, monkeypatch
):
    """Loaded, run and settled: on a card by its own count, on the CPU by where the weights are."""
    management, on_card = pack.host.model_management, each_device.type == "cuda"
    monkeypatch.setattr(management, "get_torch_device", lambda: each_device)
    before = torch.cuda.memory_allocated() if on_card else 0
    model = load_model("random", 256)
    for _ in range(3):
        pack.run("GPENRestoreImage", image=photo, model=model, detector=detector)
        buffers = list(model.restorer.network.buffers())
        assert {buffer.device.type for buffer in buffers} == {each_device.type}
        if on_card:
            gc.collect()
            torch._C._cuda_clearCublasWorkspaces()
            held = torch.cuda.memory_allocated() - before
            # Each takes whole blocks of 512 bytes.
            weights = sum(b.numel() * b.element_size() + 512 for b in buffers)
            assert held <= 1.05 * weights, "something is left beside the weights"

"""The part of the tab that writes models in other formats."""

import pytest

from gpen_core.checkpoints.reading import read_state_dict


@pytest.fixture
def convert(webui):
    """Presses Convert: convert(name, format, precision)."""
    press = webui.part("tab.conversion").press_convert
    wrapped = webui.call_queue.wrap_gradio_gpu_call(press, extra_outputs=[None, None])

    def run(name="GPEN-tiny.pth", form="safetensors", precision="fp32"):
        return wrapped("task(1)", name, form, precision)

    return run


def test_is_closed_at_first(tab):
    assert tab["gpen_model_files"].kwargs["open"] is False


def test_offers_what_can_be_converted(webui, install_model):
    install_model(name="GPEN-other.onnx")
    webui.gradio.made.clear()
    webui.tell("ui_tabs")
    (source,) = [c for c in webui.gradio.made if c.kwargs.get("label") == "Model file"]
    assert source.kwargs["choices"] == ["GPEN-tiny.pth"]
    assert source.value == "GPEN-tiny.pth"
    assert source.do_not_save_to_config


def test_both_lists_and_the_line_are_outputs(tab):
    call = tab["gpen_convert"].calls["click"]
    assert call["outputs"] == [
        tab["gpen_model"],
        tab["gpen_convert_model"],
        tab["gpen_converted"],
    ]


@pytest.mark.parametrize(
    ("precision", "name", "exact"),
    [("fp32", "GPEN-tiny.safetensors", True), ("fp16", "GPEN-tiny-fp16.safetensors", False)],
)
def test_writes_the_same_model_beside_it(webui, convert, precision, name, exact):
    models, sources, line = convert(precision=precision)
    source = webui.part("models").find_model("GPEN-tiny.pth")
    before, after = read_state_dict(source), read_state_dict(source.with_name(name))
    assert before.keys() == after.keys()
    assert all((after[key].float() == value).all() for key, value in before.items()) is exact
    assert f"{name} was written beside GPEN-tiny.pth (" in line
    assert ("weights differ by at most 0.0e+00" in line) is exact
    assert models["choices"] == ["best installed", *webui.part("models").list_models()]
    assert name in models["choices"]
    assert name in sources["choices"]
    assert webui.state.textinfo is None


def test_onnx(webui, convert):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    models, sources, line = convert(form="onnx")
    assert "GPEN-tiny.onnx was written" in line
    assert "its pictures differ by at most" in line
    assert "GPEN-tiny.onnx" in models["choices"]
    assert "GPEN-tiny.onnx" not in sources["choices"]


def test_a_file_that_is_there_stays(webui, convert, install_model):
    there = install_model(name="GPEN-tiny.safetensors")
    content = there.read_bytes()
    *_, line = convert()
    assert "GPEN-tiny.safetensors exists already; move it away or delete it first" in line
    assert "gpen-error" in line
    assert there.read_bytes() == content


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"name": None}, "choose a model file first"),
        ({"name": "../<b>.pth"}, "&lt;b&gt;.pth"),
        ({"form": "pth"}, "the format is &#x27;pth&#x27;, but must be safetensors or onnx"),
    ],
)
def test_failures_are_one_escaped_sentence(convert, arguments, words):
    *_, line = convert(**arguments)
    assert line.count("gpen-error") == 1
    assert words in line
    assert "<b>" not in line


def test_interrupt(webui, convert, monkeypatch):
    host = webui.part("host")
    monkeypatch.setattr(host, "interrupted", lambda: True)
    *_, line = convert()
    assert "interrupted" in line
    assert "GPEN-tiny.safetensors" not in webui.part("models").list_models()


def test_spoilt_file(webui, convert, tmp_path):
    (tmp_path / "models" / "GPEN" / "GPEN-spoilt.pth").write_bytes(b"nothing")
    *_, line = convert("GPEN-spoilt.pth")
    assert "GPEN-spoilt.pth" in line
    assert "gpen-error" in line

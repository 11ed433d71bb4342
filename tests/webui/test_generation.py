"""The script of txt2img and img2img, and what it does beside ADetailer and ReActor."""

import copy
import dataclasses
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from PIL import Image

ON = (True, 0.5, "GPEN-tiny.pth", "ffhq", "lowfreq", "0,2", "area")


@pytest.fixture
def script(webui):
    return webui.generation


@pytest.fixture
def restored(script, face):
    """Runs the hook for single pictures: restored(p, *args) is the picture after it."""

    def run(p, *args, image=face, **facts):
        pp = SimpleNamespace(image=image, **facts)
        script.postprocess_image(p, pp, *args)
        return pp.image

    return run


class TestInfotext:
    def test_round_trip(self, script, job, restored):
        controls = script.ui(False)
        p = job()
        restored(p, *ON)
        facts = p.extra_generation_params
        assert facts.pop("GPEN result").startswith("restored 1 of 1 face")
        assert facts == {
            "GPEN strength": 0.5,
            "GPEN model": "GPEN-tiny.pth",
            "GPEN template": "ffhq",
            "GPEN colour match": "lowfreq",
            "GPEN faces": "0,2",
        }
        assert script.paste_field_names == [*facts, "GPEN mask"]
        fields = {id(control): target for control, target in script.infotext_fields}
        pasted = [
            target(facts) if callable(target := fields[id(control)]) else facts[target]
            for control in controls
        ]
        assert tuple(pasted) == ON

    def test_pictures_without_it_switch_it_off(self, script):
        enable, *_ = script.ui(False)
        (target,) = [target for control, target in script.infotext_fields if control is enable]
        assert target({"Seed": "1"}) is False

    def test_off_by_default_and_silent(self, script, job):
        controls = script.ui(True)
        assert controls[0].value is False
        p = job()
        script.process(p, *(control.value for control in controls))
        assert p.extra_generation_params == {}

    @pytest.mark.parametrize("args", [(), (True,), (True, 0.5), (None,) * 6])
    def test_short_lists_of_the_api(self, job, restored, args):
        p = job()
        restored(p, *args)
        assert ("GPEN strength" in p.extra_generation_params) == bool(args and args[0])

    def test_copies_of_a_job_do_not_share_it(self, job, restored):
        p = job()
        copied = copy.copy(p)
        restored(copied, *ON)
        assert p.extra_generation_params == {}
        assert copied.extra_generation_params

    def test_nothing_is_said_before_it_happened(self, script, job):
        p = job()
        script.process(p, *ON)
        assert p.extra_generation_params == {}

    def test_each_picture_has_its_own_outcome(self, job, restored, face, blank):
        p = job(2, extra_generation_params={"Hires upscale": 2})
        restored(p, True, index=0)
        first = p.extra_generation_params
        assert first["GPEN model"] == "GPEN-tiny.pth", "the file, not the choice"
        assert first["Hires upscale"] == 2
        restored(p, True, index=1, image=blank)
        assert p.extra_generation_params.keys() == {"Hires upscale", "GPEN result"}
        assert p.extra_generation_params["GPEN result"].startswith("no face found")
        assert p.comments[0].startswith("GPEN: picture 1: restored 1 of 1 face with GPEN-tiny.pth")
        assert p.comments[1].startswith("GPEN: picture 2: no face found")

    def test_the_next_job_begins_anew(self, script, job, restored):
        p = job()
        restored(p, True)
        script.process(p)
        assert p.extra_generation_params == {}

    @pytest.mark.parametrize("how", ["failed", "interrupted"])
    def test_what_did_not_run_is_not_said_to_have(self, webui, job, restored, how):
        webui.state.interrupted = how == "interrupted"
        p = job()
        restored(p, True, 1.0, "gone.pth" if how == "failed" else None)
        assert p.extra_generation_params == {"GPEN result": how}

    def test_notes_are_told(self, webui, job, restored, monkeypatch):
        service = webui.part("service").SERVICE
        original = service.restore

        def restore(*args, **kwargs):
            result = original(*args, **kwargs)
            report = dataclasses.replace(result.report, notes=("less memory was used",))
            return dataclasses.replace(result, report=report)

        monkeypatch.setattr(service, "restore", restore)
        p = job()
        restored(p, True)
        assert p.comments[0].endswith("; less memory was used")

    def test_a_wrong_choice_does_not_stop_the_job(self, script, job, restored, face):
        p = job()
        script.process(p, True, 0.5, None, "none such")
        assert restored(p, True, 0.5, None, "none such") is face
        assert "none such" in p.comments[0]


class TestRestoring:
    def test_restores(self, job, restored, face):
        image = restored(job(), True)
        assert (image.mode, image.size) == (face.mode, face.size)
        assert image.tobytes() != face.tobytes()

    def test_off(self, job, restored, face):
        for args in ((), (False, 1.0), (None,), (True, 0)):
            assert restored(job(), *args) is face

    def test_only_once_when_the_host_restores_with_gpen(self, webui, script, job, restored, face):
        webui.opts.face_restoration_model = "GPEN"
        p = job(restore_faces=True)
        script.process(p, *ON)
        assert p.extra_generation_params == {}
        assert restored(p, True) is face
        assert restored(job(restore_faces=False), True) is not face
        webui.opts.face_restoration_model = "CodeFormer"
        assert restored(job(restore_faces=True), True) is not face

    def test_not_in_adetailers_inner_jobs(self, job, restored, face):
        assert restored(job(_ad_inner=True), True) is face
        assert restored(job(_ad_disabled=True), True) is not face, "set also where it is just off"

    @pytest.mark.parametrize("surprise", [False, True])
    def test_failure_keeps_the_picture_and_tells(
        self, webui, job, restored, face, monkeypatch, surprise
    ):
        if surprise:
            monkeypatch.setattr(webui.part("service").SERVICE, "restore", lambda *_, **__: 1 / 0)
        p = job()
        assert restored(p, True, 1.0, "gone.pth") is face
        (comment,) = p.comments
        assert ("division" if surprise else "gone.pth") in comment

    def test_failure_without_comments(self, job, restored, face):
        p = job()
        del p.comment
        assert restored(p, True, 1.0, "gone.pth") is face

    def test_interrupt_keeps_the_picture(self, webui, job, restored, face):
        webui.state.interrupted = True
        p = job()
        assert restored(p, True) is face
        assert p.comments == ["GPEN: interrupted"]

    def test_the_queue_is_left_alone(self, webui, job, restored):
        with webui.lock:
            webui.state.begin("txt2img")
            restored(job(), True)
            assert webui.state.job == "txt2img"
            webui.state.end()
        assert webui.lock.taken == 1


class TestBefore:
    def test_not_saved_unless_asked(self, webui, job, restored):
        restored(job(), True)
        assert webui.images.saved == []

    @pytest.mark.parametrize(("position", "facts"), [({"batch_index": 1}, {}), ({}, {"index": 1})])
    def test_saved_with_its_own_facts(self, webui, job, restored, face, position, facts):
        webui.opts.gpen_save_before = True
        restored(job(2, **position), True, **facts)
        (saved,) = webui.images.saved
        assert saved["image"] is face
        assert (saved["seed"], saved["prompt"]) == (11, "prompt 1")
        assert saved["suffix"] == "-before-gpen"
        assert saved["info"].startswith("prompt 1\nSeed: 11")

    def test_not_saved_where_nothing_changed(self, webui, job, restored):
        webui.opts.gpen_save_before = True
        restored(job(), True, 1.0, None, None, None, "9")
        assert webui.images.saved == []


class TestAfterReactor:
    """ReActor's mode that saves the original adds pictures past the hook for single ones."""

    def processed(self, face, first=0):
        images = [Image.new("RGB", (64, 64))] * first + [face, face, face.copy(), face.copy()]
        return SimpleNamespace(images=images, index_of_first_image=first, all_seeds=[1, 2])

    def with_reactor(self, job, **attributes):
        reactor = SimpleNamespace(title=lambda: "ReActor", **attributes)
        return job(2, scripts=SimpleNamespace(alwayson_scripts=[reactor]))

    @pytest.mark.parametrize("first", [0, 1])
    def test_only_what_it_added_is_restored(self, script, job, face, first):
        processed = self.processed(face, first)
        before = list(processed.images)
        script.postprocess(self.with_reactor(job), processed, True)
        changed = [a is not b for a, b in zip(before, processed.images, strict=True)]
        assert changed == [False] * (first + 2) + [True, True]

    def test_without_reactor_other_scripts_pictures_stay(self, script, job, face):
        processed = self.processed(face)
        before = list(processed.images)
        other = SimpleNamespace(title=lambda: "ControlNet")
        runner = SimpleNamespace(alwayson_scripts=[other])
        for p in (job(2), job(2, scripts=runner), self.with_reactor(job, enable=False)):
            script.postprocess(p, processed, True)
        script.postprocess(self.with_reactor(job, save_original=False), processed, True)
        script.postprocess(self.with_reactor(job), processed, False)
        assert all(a is b for a, b in zip(before, processed.images, strict=True))


class TestReactorsList:
    """The opt-in correction of ReActor's own list of restorers."""

    @pytest.fixture
    def swapper(self, monkeypatch):
        def restore_face(image, enhancement_options):
            return ("ReActor", image)

        module = ModuleType("scripts.reactor_swapper")
        module.restore_face = restore_face
        monkeypatch.setitem(sys.modules, "scripts.reactor_swapper", module)
        return module

    def options(self, name, visibility=1.0):
        restorer = None if name is None else SimpleNamespace(name=lambda: name)
        return SimpleNamespace(face_restorer=restorer, restorer_visibility=visibility)

    def test_untouched_by_default(self, webui, swapper):
        original = swapper.restore_face
        webui.tell("before_ui")
        assert swapper.restore_face is original

    def test_runs_gpen_for_gpen_alone(self, webui, swapper, face):
        webui.opts.gpen_reactor_shim = True
        webui.tell("before_ui")
        whole = swapper.restore_face(face, self.options("GPEN"))
        half = swapper.restore_face(image=face, enhancement_options=self.options("GPEN", 0.5))
        assert whole.size == face.size
        difference = np.asarray(whole).astype(int) - np.asarray(face)
        assert np.abs(difference).max() > 30
        expected = np.asarray(face) + difference / 2
        assert np.abs(np.asarray(half) - expected).max() <= 1
        for name in (None, "CodeFormer", "GFPGAN"):
            assert swapper.restore_face(face, self.options(name)) == ("ReActor", face)

    def test_wrapped_once_and_given_back(self, webui, swapper):
        original = swapper.restore_face
        webui.opts.gpen_reactor_shim = True
        webui.tell("before_ui")
        wrapped = swapper.restore_face
        webui.tell("before_ui")
        assert swapper.restore_face is wrapped is not original
        webui.opts.gpen_reactor_shim = False
        webui.load()
        webui.tell("before_ui")
        assert swapper.restore_face is original

    def test_an_unknown_version_is_left_alone(self, webui, swapper, caplog):
        def restore_face(picture, other):
            """Of another version."""

        swapper.restore_face = restore_face
        webui.opts.gpen_reactor_shim = True
        webui.tell("before_ui")
        assert swapper.restore_face is restore_face
        assert "not known" in caplog.text

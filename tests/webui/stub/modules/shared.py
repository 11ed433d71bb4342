"""What every part of the WebUI shares."""

from types import SimpleNamespace

from modules import devices, options

OptionInfo = options.OptionInfo
opts = options.Options(
    {
        "face_restoration_model": "CodeFormer",
        "face_restoration_unload": False,
        "outdir_samples": "",
        "outdir_extras_samples": "outputs/extras-images",
        "samples_format": "png",
        "enable_pnginfo": True,
        "jpeg_quality": 80,
        "use_original_name_batch": True,
        "save_images_add_number": True,
    }
)
cmd_opts = SimpleNamespace(
    api=False,
    nowebui=False,
    api_auth=None,
    gradio_auth=None,
    gradio_auth_path=None,
    use_cpu=[],
    no_half=False,
    hide_ui_dir_config=False,
    gpen_models_path=None,
    gfpgan_models_path=None,
)
face_restorers = []
sd_upscalers = [SimpleNamespace(name="None", scaler=None, data_path=None)]
hide_dirs = {"visible": True}


class State:
    """Jobs may not be nested, and each must end."""

    def __init__(self):
        self.interrupted = self.skipped = self.stopping_generation = False
        self.job = ""
        self.job_no = self.job_count = 0
        self.textinfo = None
        self.texts, self.previews, self.jobs = [], [], []

    def __setattr__(self, name, value):
        if name == "textinfo" and value:
            self.texts.append(value)
        super().__setattr__(name, value)

    def begin(self, job="(unknown)"):
        assert not self.job, f"{self.job} has not ended"
        self.job = job
        self.job_no, self.job_count, self.textinfo = 0, -1, None
        self.interrupted = self.skipped = self.stopping_generation = False
        self.jobs.append(job)

    def end(self):
        assert self.job, "no job has begun"
        self.job = ""
        self.job_count = 0
        devices.torch_gc()

    def interrupt(self):
        self.interrupted = True

    def assign_current_image(self, image):
        self.previews.append(image)


state = State()

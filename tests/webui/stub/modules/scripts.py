"""Scripts of txt2img and img2img."""

from collections import namedtuple

AlwaysVisible = object()
ScriptClassData = namedtuple("ScriptClassData", ["script_class", "path", "basedir", "module"])
scripts_data = []
current_basedir = "webui"


def basedir():
    """Right only while a script is being imported."""
    return current_basedir


class Script:
    HOOKS = frozenset(
        {"title", "show", "ui", "elem_id", "process", "postprocess", "postprocess_image"}
    )
    infotext_fields = None
    paste_field_names = None
    filename = None

    def __init_subclass__(cls):
        own = {name for name in vars(cls) if not name.startswith("_")}
        assert own <= cls.HOOKS, f"the host does not know {own - cls.HOOKS}"

    def title(self):
        raise NotImplementedError

    def ui(self, is_img2img):
        raise NotImplementedError

    def show(self, is_img2img):
        return True

    def process(self, p, *args):
        pass

    def postprocess_image(self, p, pp, *args):
        pass

    def postprocess(self, p, processed, *args):
        pass

    def elem_id(self, item_id):
        return f"script_txt2img_gpen_face_restore_{item_id}"

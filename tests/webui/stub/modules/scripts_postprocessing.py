"""Operations of the Extras tab."""

postprocessing_scripts_data = []


class PostprocessedImage:
    def __init__(self, image):
        self.image = image
        self.info = {}
        self.extra_images = []
        self.nametags = []


class ScriptPostprocessing:
    filename = None
    controls = None
    name = None
    order = 1000

    def ui(self):
        return {}

    def process(self, pp, **args):
        pass

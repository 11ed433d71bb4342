"""The base of face restorers. SD.Next has none any more."""


class FaceRestoration:
    def name(self) -> str:
        return "None"

    def restore(self, np_image):
        return np_image

"""A back-end that says Yes where the picture is brighter than most, and describes nothing."""

from PIL import Image, ImageStat

from icl.mllm.protocol import Answer

SAID = "[]"


class Brightness:
    """Looks at the pixels and reads no word."""

    def __init__(self, settings, adapter=None):
        self.limit = 110

    def identity(self, task):
        return {"model": f"brightness above {self.limit}"}

    def forget_images(self):
        pass

    def answer(self, requests):
        return [self._answer(request) for request in requests]

    def _answer(self, request):
        if request.task != "localise":
            return Answer(SAID)
        yes = min(1.0, ImageStat.Stat(Image.open(request.image).convert("L")).mean[0] / 2 / self.limit)
        return Answer("Yes" if yes >= 0.5 else "No", {"Yes": yes, "No": 1 - yes})

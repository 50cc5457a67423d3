"""The frame of a drawing: colours, the person's measures, primitives in the person's coordinates, and the scene behind."""

from __future__ import annotations

import random
from collections.abc import Iterable

from PIL import Image, ImageDraw

from icl.synthpedes.attributes import Identity, Shot, fingerprint

RGB = {
    "black": (28, 28, 32),
    "white": (242, 242, 240),
    "grey": (134, 136, 140),
    "red": (206, 32, 38),
    "orange": (244, 132, 26),
    "yellow": (246, 216, 52),
    "green": (36, 142, 62),
    "blue": (38, 84, 196),
    "purple": (118, 46, 150),
    "pink": (246, 148, 186),
    "brown": (116, 72, 38),
    "blond": (226, 192, 104),
}
HAIR = {**RGB, "red": (168, 66, 26), "grey": (176, 176, 180), "black": (22, 20, 22), "brown": (92, 56, 30)}
SKIN = ((246, 212, 180), (226, 178, 140), (192, 138, 100), (132, 90, 62))
SCENES = {
    "street": ((176, 186, 196), (96, 98, 104)),
    "park": ((168, 206, 232), (104, 160, 76)),
    "building": ((196, 176, 152), (150, 146, 140)),
    "beach": ((132, 192, 226), (226, 206, 158)),
    "shop": ((222, 216, 204), (186, 170, 150)),
}


Colour = tuple[int, ...]
Point = tuple[float, float]


def shade(colour: Colour, factor: float) -> Colour:
    return tuple(int(max(0, min(255, value * factor))) for value in colour)


class Canvas:
    """A frame of `width` x `height` pixels (twice the final size) with one person to draw in it."""

    def __init__(self, person: Identity, shot: Shot, width: int, height: int) -> None:
        self.person, self.shot = person, shot
        self.width, self.height = width, height
        self.rng = random.Random(shot.seed)
        self.image = Image.new("RGB", (width, height))
        self.draw = ImageDraw.Draw(self.image)
        self.h = height * 0.92 * shot.scale
        self.cx = width * (0.5 + shot.shift_x)
        self.top = height * (0.5 + shot.shift_y) - self.h / 2
        jitter = random.Random(fingerprint(person))
        self.skin = jitter.choice(SKIN)
        self.hair = HAIR.get(person.hair_colour, RGB["brown"])
        self.upper = shade(RGB[person.upper_colour], jitter.uniform(0.93, 1.07))
        self.lower = shade(RGB[person.lower_colour], jitter.uniform(0.93, 1.07))
        male = person.gender == "male"
        side = 0.62 if shot.view == "side" else 1.0
        self.shoulder = (0.135 if male else 0.110) * side
        self.waist = (0.105 if male else 0.078) * side
        self.hip = (0.100 if male else 0.112) * side
        self.stride = {"standing": 0.010, "walking": 0.055, "running": 0.095}[shot.action]
        self.lean = 0.03 if shot.action == "running" else 0.0

    # Person coordinates: x in heights from the body's axis, y in heights from the top of the head.
    def at(self, x: float, y: float) -> tuple[float, float]:
        return self.cx + (x + self.lean * (0.6 - y)) * self.h, self.top + y * self.h

    def polygon(self, points: Iterable[Point], fill: Colour) -> None:
        self.draw.polygon([self.at(x, y) for x, y in points], fill=fill)

    def limb(self, start: Point, end: Point, width: float, fill: Colour) -> None:
        (x0, y0), (x1, y1) = self.at(*start), self.at(*end)
        radius = width * self.h / 2
        self.draw.line((x0, y0, x1, y1), fill=fill, width=max(1, int(radius * 2)))
        for x, y in ((x0, y0), (x1, y1)):
            self.draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)

    def disc(self, x: float, y: float, rx: float, ry: float, fill: Colour) -> None:
        (cx, cy) = self.at(x, y)
        self.draw.ellipse((cx - rx * self.h, cy - ry * self.h, cx + rx * self.h, cy + ry * self.h), fill=fill)

    def box(self, x0: float, y0: float, x1: float, y1: float, fill: Colour) -> None:
        self.polygon(((x0, y0), (x1, y0), (x1, y1), (x0, y1)), fill)

    def _scene(self) -> None:
        wall, ground = SCENES[self.shot.background]
        w, h = self.width, self.height
        horizon = h * self.rng.uniform(0.5, 0.62)
        self.draw.rectangle((0, 0, w, horizon), fill=shade(wall, self.rng.uniform(0.9, 1.1)))
        self.draw.rectangle((0, horizon, w, h), fill=shade(ground, self.rng.uniform(0.9, 1.1)))
        getattr(self, f"_scene_{self.shot.background}")(w, h, horizon)
        if self.shot.others:
            self._bystander(w, horizon)

    def _scene_street(self, w: int, h: int, horizon: float) -> None:
        x = self.rng.uniform(-0.3, 0.5) * w
        self.draw.rectangle((x, horizon - 0.16 * h, x + 0.7 * w, horizon), fill=(120, 124, 136))
        for k in range(4):
            y = horizon + h * (0.08 + 0.11 * k)
            self.draw.rectangle((w * 0.44, y, w * 0.56, y + h * 0.05), fill=(226, 226, 220))

    def _scene_park(self, w: int, h: int, horizon: float) -> None:
        for x in (self.rng.uniform(-0.1, 0.25), self.rng.uniform(0.75, 1.1)):
            self.draw.rectangle((x * w - 4, horizon - 0.28 * h, x * w + 4, horizon), fill=(96, 66, 40))
            self.draw.ellipse((x * w - 26, horizon - 0.5 * h, x * w + 26, horizon - 0.2 * h), fill=(48, 116, 52))

    def _scene_building(self, w: int, h: int, horizon: float) -> None:
        step = w * 0.24
        start = self.rng.uniform(0, step)
        for row in range(4):
            for col in range(-1, 5):
                x, y = start + col * step, h * (0.04 + 0.14 * row)
                if y + h * 0.08 < horizon:
                    self.draw.rectangle((x, y, x + step * 0.55, y + h * 0.08), fill=(88, 108, 132))

    def _scene_beach(self, w: int, h: int, horizon: float) -> None:
        self.draw.rectangle((0, horizon - 0.14 * h, w, horizon), fill=(36, 112, 168))
        x = self.rng.uniform(0.1, 0.9) * w
        self.draw.ellipse((x - 10, 8, x + 10, 28), fill=(252, 240, 170))

    def _scene_shop(self, w: int, h: int, horizon: float) -> None:
        for k in range(4):
            y = horizon - h * (0.04 + 0.13 * k)
            self.draw.rectangle((0, y, w, y + h * 0.018), fill=(120, 88, 60))
            for x in range(self.rng.randrange(12), w, 16):
                fill = self.rng.choice(((196, 120, 110), (120, 150, 186), (206, 190, 120), (140, 170, 130)))
                self.draw.rectangle((x, y - h * 0.06, x + 9, y), fill=fill)

    def _bystander(self, w: int, horizon: float) -> None:
        for x in {self.rng.choice((0.1, 0.9)), self.rng.choice((0.12, 0.88))}:
            x = (x + self.rng.uniform(-0.03, 0.03)) * w
            tone = self.rng.choice(((70, 76, 96), (110, 84, 84), (84, 104, 88)))
            self.draw.ellipse((x - 5, horizon - 34, x + 5, horizon - 22), fill=(214, 174, 142))
            self.draw.rectangle((x - 8, horizon - 22, x + 8, horizon + 6), fill=tone)
            self.draw.rectangle((x - 6, horizon + 6, x + 6, horizon + 30), fill=shade(tone, 0.6))

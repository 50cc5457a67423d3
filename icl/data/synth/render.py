"""Draw a pedestrian: drawn at twice the size with Pillow, then reduced, lit, blurred and re-sampled as a camera would."""

from __future__ import annotations

import random

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from icl.data.synth.attributes import Identity, Shot, fingerprint

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


def _shade(colour, factor):
    return tuple(int(max(0, min(255, value * factor))) for value in colour)


class Painter:
    """Draws one person in a frame of `width` x `height` pixels (twice the final size)."""

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
        self.upper = _shade(RGB[person.upper_colour], jitter.uniform(0.93, 1.07))
        self.lower = _shade(RGB[person.lower_colour], jitter.uniform(0.93, 1.07))
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

    def polygon(self, points, fill) -> None:
        self.draw.polygon([self.at(x, y) for x, y in points], fill=fill)

    def limb(self, start, end, width, fill) -> None:
        (x0, y0), (x1, y1) = self.at(*start), self.at(*end)
        radius = width * self.h / 2
        self.draw.line((x0, y0, x1, y1), fill=fill, width=max(1, int(radius * 2)))
        for x, y in ((x0, y0), (x1, y1)):
            self.draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)

    def disc(self, x, y, rx, ry, fill) -> None:
        (cx, cy) = self.at(x, y)
        self.draw.ellipse((cx - rx * self.h, cy - ry * self.h, cx + rx * self.h, cy + ry * self.h), fill=fill)

    def box(self, x0, y0, x1, y1, fill) -> None:
        self.polygon(((x0, y0), (x1, y0), (x1, y1), (x0, y1)), fill)

    def paint(self) -> Image.Image:
        self._scene()
        if self.shot.view == "back":
            self._held()
        self._legs()
        self._backpack(behind=True)
        self._arms(back=True)
        self._torso()
        self._belt()
        self._arms(back=False)
        self._head()
        self._scarf()
        self._backpack(behind=False)
        if self.shot.view != "back":
            self._held()
        return self.image

    def _scene(self) -> None:
        wall, ground = SCENES[self.shot.background]
        w, h = self.width, self.height
        horizon = h * self.rng.uniform(0.5, 0.62)
        self.draw.rectangle((0, 0, w, horizon), fill=_shade(wall, self.rng.uniform(0.9, 1.1)))
        self.draw.rectangle((0, horizon, w, h), fill=_shade(ground, self.rng.uniform(0.9, 1.1)))
        getattr(self, f"_scene_{self.shot.background}")(w, h, horizon)
        if self.shot.others:
            self._bystander(w, horizon)

    def _scene_street(self, w, h, horizon) -> None:
        x = self.rng.uniform(-0.3, 0.5) * w
        self.draw.rectangle((x, horizon - 0.16 * h, x + 0.7 * w, horizon), fill=(120, 124, 136))
        for k in range(4):
            y = horizon + h * (0.08 + 0.11 * k)
            self.draw.rectangle((w * 0.44, y, w * 0.56, y + h * 0.05), fill=(226, 226, 220))

    def _scene_park(self, w, h, horizon) -> None:
        for x in (self.rng.uniform(-0.1, 0.25), self.rng.uniform(0.75, 1.1)):
            self.draw.rectangle((x * w - 4, horizon - 0.28 * h, x * w + 4, horizon), fill=(96, 66, 40))
            self.draw.ellipse((x * w - 26, horizon - 0.5 * h, x * w + 26, horizon - 0.2 * h), fill=(48, 116, 52))

    def _scene_building(self, w, h, horizon) -> None:
        step = w * 0.24
        start = self.rng.uniform(0, step)
        for row in range(4):
            for col in range(-1, 5):
                x, y = start + col * step, h * (0.04 + 0.14 * row)
                if y + h * 0.08 < horizon:
                    self.draw.rectangle((x, y, x + step * 0.55, y + h * 0.08), fill=(88, 108, 132))

    def _scene_beach(self, w, h, horizon) -> None:
        self.draw.rectangle((0, horizon - 0.14 * h, w, horizon), fill=(36, 112, 168))
        x = self.rng.uniform(0.1, 0.9) * w
        self.draw.ellipse((x - 10, 8, x + 10, 28), fill=(252, 240, 170))

    def _scene_shop(self, w, h, horizon) -> None:
        for k in range(4):
            y = horizon - h * (0.04 + 0.13 * k)
            self.draw.rectangle((0, y, w, y + h * 0.018), fill=(120, 88, 60))
            for x in range(self.rng.randrange(12), w, 16):
                fill = self.rng.choice(((196, 120, 110), (120, 150, 186), (206, 190, 120), (140, 170, 130)))
                self.draw.rectangle((x, y - h * 0.06, x + 9, y), fill=fill)

    def _bystander(self, w, horizon) -> None:
        for x in {self.rng.choice((0.1, 0.9)), self.rng.choice((0.12, 0.88))}:
            x = (x + self.rng.uniform(-0.03, 0.03)) * w
            tone = self.rng.choice(((70, 76, 96), (110, 84, 84), (84, 104, 88)))
            self.draw.ellipse((x - 5, horizon - 34, x + 5, horizon - 22), fill=(214, 174, 142))
            self.draw.rectangle((x - 8, horizon - 22, x + 8, horizon + 6), fill=tone)
            self.draw.rectangle((x - 6, horizon + 6, x + 6, horizon + 30), fill=_shade(tone, 0.6))

    def _legs(self) -> None:
        spread = self.hip * 0.5
        swing = self.stride * (1.5 if self.shot.view == "side" else 1.0)
        feet = [(-spread - swing, 0.935), (spread + swing, 0.935 - (0.03 if self.stride > 0.05 else 0))]
        hips = [(-spread, 0.50), (spread, 0.50)]
        bare = self.person.lower in ("shorts", "skirt")
        for (hx, hy), (fx, fy) in zip(hips, feet, strict=True):
            if self.person.lower != "long skirt":
                self.limb((hx, hy), (fx, fy), 0.072 if bare else 0.088, self.skin if bare else self.lower)
            if self.person.lower == "shorts":
                self.limb((hx, hy), (hx + (fx - hx) * 0.40, hy + (fy - hy) * 0.40), 0.105, self.lower)
            self._shoe(fx, fy)
        if self.person.lower == "skirt":
            self.polygon(
                ((-self.waist, 0.47), (self.waist, 0.47), (self.hip + 0.06, 0.69), (-self.hip - 0.06, 0.69)),
                self.lower,
            )
        if self.person.lower == "long skirt":
            self.polygon(
                ((-self.waist, 0.47), (self.waist, 0.47), (self.hip + 0.07, 0.90), (-self.hip - 0.07, 0.90)),
                self.lower,
            )

    def _shoe(self, x, y) -> None:
        colour = RGB[self.person.shoes_colour]
        if self.person.shoes == "boots":
            self.limb((x, y - 0.085), (x, y), 0.088, colour)
        self.disc(x + 0.012, y + 0.015, 0.052, 0.030, colour)
        if self.person.shoes == "sneakers":
            sole = (250, 250, 250) if self.person.shoes_colour != "white" else (90, 90, 90)
            self.box(x - 0.040, y + 0.030, x + 0.064, y + 0.044, sole)

    def _torso_outline(self):
        bottom = {"coat": 0.70, "jacket": 0.52, "hoodie": 0.53}.get(self.person.upper, 0.50)
        s, w, p = self.shoulder, self.waist, self.hip
        flare = 0.025 if self.person.upper == "coat" else 0.0
        return (
            (-s, 0.20),
            (-s * 0.5, 0.182),
            (s * 0.5, 0.182),
            (s, 0.20),
            (w, 0.36),
            (p + flare, bottom),
            (-p - flare, bottom),
            (-w, 0.36),
        ), bottom

    def _torso(self) -> None:
        outline, bottom = self._torso_outline()
        self.box(-0.03, 0.15, 0.03, 0.20, self.skin)
        self.polygon(outline, self.upper)
        self._pattern(outline, bottom)
        front = self.shot.view != "back"
        trim = _shade(self.upper, 0.62) if sum(self.upper) > 240 else _shade(self.upper, 2.6)
        kind = self.person.upper
        if kind in ("jacket", "coat"):
            if front:
                self.polygon(
                    ((-0.032, 0.185), (0.032, 0.185), (0.012, bottom), (-0.012, bottom)),
                    (236, 236, 232) if self.person.upper_colour != "white" else (70, 70, 80),
                )
            self.polygon(
                ((-0.075, 0.182), (0.075, 0.182), (0.045, 0.235), (-0.045, 0.235)), trim
            ) if not front else None
        if kind == "shirt" and front:
            self.polygon(((-0.05, 0.178), (0, 0.225), (-0.055, 0.232)), trim)
            self.polygon(((0.05, 0.178), (0, 0.225), (0.055, 0.232)), trim)
            self.box(-0.006, 0.22, 0.006, bottom, trim)
        if kind == "hoodie":
            self.disc(0, 0.188, 0.085, 0.036, trim)
            if front:
                self.polygon(((-0.055, 0.42), (0.055, 0.42), (0.075, 0.49), (-0.075, 0.49)), trim)
        if kind == "t-shirt" and front:
            self.disc(0, 0.184, 0.036, 0.018, self.skin)
        if kind == "tank top":
            self.polygon(
                (
                    (-self.shoulder, 0.20),
                    (-self.shoulder * 0.45, 0.18),
                    (-self.shoulder * 0.5, 0.25),
                    (-self.shoulder * 0.9, 0.28),
                ),
                self.skin,
            )
            self.polygon(
                (
                    (self.shoulder, 0.20),
                    (self.shoulder * 0.45, 0.18),
                    (self.shoulder * 0.5, 0.25),
                    (self.shoulder * 0.9, 0.28),
                ),
                self.skin,
            )
            self.disc(0, 0.186, 0.05, 0.04, self.skin)

    def _pattern(self, outline, bottom) -> None:
        kind = self.person.pattern
        if kind == "plain" or (kind == "logo" and self.shot.view == "back"):
            return
        ink = (250, 250, 248) if sum(self.upper) < 480 else (40, 44, 60)
        if kind == "logo":
            self.disc(0, 0.31, 0.052, 0.040, ink)
            self.disc(0, 0.31, 0.020, 0.016, self.upper)
            return
        layer = Image.new("L", self.image.size)
        ImageDraw.Draw(layer).polygon([self.at(x, y) for x, y in outline], fill=255)
        marks = Image.new("L", self.image.size)
        pen = ImageDraw.Draw(marks)
        x0, x1 = self.at(-0.2, 0)[0], self.at(0.2, 0)[0]
        y0, y1 = self.at(0, 0.2)[1], self.at(0, bottom)[1]
        gap = 0.058 * self.h
        rows = [y0 + gap * (k + 0.5) for k in range(int((y1 - y0) / gap) + 1)]
        cols = [x0 + gap * (k + 0.5) for k in range(int((x1 - x0) / gap) + 1)]
        if kind in ("striped", "checked"):
            for y in rows:
                pen.line((x0, y, x1, y), fill=255, width=4 if kind == "striped" else 2)
        if kind == "checked":
            for x in cols:
                pen.line((x, y0 - gap, x, y1), fill=255, width=2)
        if kind == "dotted":
            for row, y in enumerate(rows):
                for x in cols:
                    x += gap / 2 * (row % 2)
                    pen.ellipse((x - 2.5, y - 2.5, x + 2.5, y + 2.5), fill=255)
        self.image.paste(ink, mask=Image.composite(marks, Image.new("L", self.image.size), layer))

    def _belt(self) -> None:
        if self.person.belt and self.person.upper != "coat" and self.shot.view != "back":
            self.box(-self.waist - 0.008, 0.478, self.waist + 0.008, 0.505, RGB[self.person.belt])
            self.box(-0.016, 0.474, 0.016, 0.509, (214, 178, 60))

    def _arm(self, side: int) -> None:
        sx = side * self.shoulder * 0.92
        reach = 0.050 + self.stride * (0.9 if self.shot.view == "side" else 0.4)
        holding = side > 0 and self.shot.held
        elbow = (sx + side * reach * 0.7, 0.345)
        wrist = (sx + side * (reach + 0.015), 0.47)
        if holding and self.shot.held in ("phone", "cup", "book", "umbrella"):
            wrist = (sx + side * 0.055, 0.335)
        sleeve = {"t-shirt": 0.55, "tank top": 0.0}.get(self.person.upper, 2.0)
        self.limb((sx, 0.215), elbow, 0.052, self.skin)
        self.limb(elbow, wrist, 0.046, self.skin)
        dark = _shade(self.upper, 0.86)
        if sleeve > 0:
            end = elbow if sleeve > 1 else (sx + (elbow[0] - sx) * sleeve, 0.215 + 0.13 * sleeve)
            self.limb((sx, 0.215), end, 0.066, dark)
        if sleeve > 1:
            self.limb(
                elbow,
                (elbow[0] + (wrist[0] - elbow[0]) * 0.85, elbow[1] + (wrist[1] - elbow[1]) * 0.85),
                0.060,
                dark,
            )
        self.disc(*wrist, 0.028, 0.026, self.skin)
        if side > 0:
            self.hand = wrist

    def _arms(self, back: bool) -> None:
        if self.shot.view == "side":
            self._arm(-1 if back else 1)
        elif back:
            self._arm(-1)
            self._arm(1)

    def _head(self) -> None:
        view, style = self.shot.view, self.person.hair_style
        if style == "long":
            self.limb(
                (0, 0.10),
                (0 if view != "side" else -0.02, 0.225 if view != "back" else 0.25),
                0.165 if view != "side" else 0.12,
                self.hair,
            )
        if style == "ponytail":
            tail = {"front": (0.085, 0.17), "side": (-0.095, 0.18), "back": (0.0, 0.235)}[view]
            self.limb((tail[0] * 0.7, 0.09), tail, 0.05, self.hair)
        if style != "bald":
            self.disc(0, 0.078, 0.082, 0.080, self.hair)
        face = {"front": 0.0, "side": 0.022, "back": 0.0}[view]
        if view != "back" or style == "bald":
            top = 0.0 if style == "bald" else 0.022
            self.disc(face, 0.088 + top / 2, 0.066, 0.074 - top / 2, self.skin)
        if style == "long" and view == "front":
            for side in (-1, 1):
                self.limb((side * 0.068, 0.08), (side * 0.078, 0.21), 0.034, self.hair)
        self._face(view, face)
        self._hat(view)

    def _face(self, view, face) -> None:
        if view == "back":
            return
        eyes = (-0.026, 0.026) if view == "front" else (0.048,)
        for x in eyes:
            self.disc(face * 0 + x, 0.092, 0.008, 0.008, (30, 26, 30))
        lips = (196, 48, 66) if self.person.gender == "female" else _shade(self.skin, 0.72)
        self.disc(0.0 if view == "front" else 0.052, 0.132, 0.018, 0.007, lips)
        if self.person.glasses:
            for x in eyes:
                self.disc(x, 0.092, 0.026, 0.020, (16, 16, 20))
            self.box(-0.066 if view == "front" else 0.0, 0.086, 0.066, 0.093, (16, 16, 20))

    def _hat(self, view) -> None:
        if not self.person.hat:
            return
        colour = RGB[self.person.hat_colour]
        if self.person.hat == "beanie":
            self.polygon(((-0.086, 0.066), (-0.070, 0.005), (0.0, -0.022), (0.070, 0.005), (0.086, 0.066)), colour)
            self.box(-0.088, 0.046, 0.088, 0.070, _shade(colour, 0.75))
            self.disc(0, -0.022, 0.022, 0.018, _shade(colour, 0.75))
        else:
            self.polygon(((-0.084, 0.056), (-0.064, 0.008), (0.064, 0.008), (0.084, 0.056)), colour)
            brim = {"front": (-0.080, 0.080), "side": (0.0, 0.140), "back": (-0.084, 0.084)}[view]
            if view != "back":
                self.box(brim[0], 0.050, brim[1], 0.070, _shade(colour, 0.62))

    def _scarf(self) -> None:
        if self.person.scarf:
            colour = RGB[self.person.scarf]
            self.disc(0, 0.182, 0.085, 0.030, colour)
            if self.shot.view != "back":
                self.limb((0.045, 0.19), (0.055, 0.315), 0.046, _shade(colour, 0.88))

    def _backpack(self, behind: bool) -> None:
        if not self.person.backpack:
            return
        colour, view = RGB[self.person.backpack], self.shot.view
        if view == "front" and behind:
            self.polygon(
                (
                    (-self.shoulder - 0.035, 0.20),
                    (self.shoulder + 0.035, 0.20),
                    (self.shoulder + 0.035, 0.40),
                    (-self.shoulder - 0.035, 0.40),
                ),
                _shade(colour, 0.8),
            )
        elif view == "front":
            for side in (-1, 1):
                self.limb((side * 0.075, 0.195), (side * 0.085, 0.37), 0.030, colour)
        elif view == "side" and behind:
            self.polygon(((-0.19, 0.21), (-0.04, 0.20), (-0.04, 0.43), (-0.20, 0.42)), colour)
        elif view == "back" and not behind:
            self.polygon(((-0.095, 0.215), (0.095, 0.215), (0.105, 0.43), (-0.105, 0.43)), colour)
            self.box(-0.065, 0.33, 0.065, 0.405, _shade(colour, 0.75))

    def _held(self) -> None:
        if not self.shot.held:
            return
        side = self.shoulder * 0.92
        low, high = (side + 0.075, 0.49), (side + 0.060, 0.325)
        colour = RGB[self.shot.held_colour] if self.shot.held_colour else (60, 60, 70)
        kind = self.shot.held
        if kind == "handbag":
            self.polygon(
                (
                    (low[0] - 0.055, 0.53),
                    (low[0] + 0.055, 0.53),
                    (low[0] + 0.065, 0.62),
                    (low[0] - 0.065, 0.62),
                ),
                colour,
            )
            self.limb((low[0] - 0.035, 0.53), low, 0.014, _shade(colour, 0.7))
            self.limb((low[0] + 0.035, 0.53), low, 0.014, _shade(colour, 0.7))
        elif kind == "umbrella":
            x = high[0]
            self.limb((x, 0.35), (x, 0.0), 0.012, (60, 50, 50))
            self.polygon(
                ((x - 0.19, 0.055), (x - 0.11, -0.025), (x, -0.05), (x + 0.11, -0.025), (x + 0.19, 0.055)),
                colour,
            )
        elif kind == "phone":
            self.box(high[0] - 0.024, 0.262, high[0] + 0.028, 0.345, (20, 22, 30))
            self.box(high[0] - 0.016, 0.272, high[0] + 0.020, 0.330, (120, 220, 250))
        elif kind == "cup":
            self.polygon(
                (
                    (high[0] - 0.032, 0.262),
                    (high[0] + 0.032, 0.262),
                    (high[0] + 0.024, 0.345),
                    (high[0] - 0.024, 0.345),
                ),
                (250, 248, 240),
            )
            self.box(high[0] - 0.036, 0.255, high[0] + 0.036, 0.272, (110, 60, 30))
        else:
            self.polygon(
                (
                    (high[0] - 0.055, 0.262),
                    (high[0] + 0.055, 0.275),
                    (high[0] + 0.055, 0.355),
                    (high[0] - 0.055, 0.345),
                ),
                colour,
            )
            self.box(high[0] - 0.004, 0.265, high[0] + 0.004, 0.350, (250, 250, 244))


def render(person: Identity, shot: Shot, width: int = 48, height: int = 96) -> np.ndarray:
    """Photograph a person.

    Returns:
        uint8 array (height, width, 3), RGB.
    """
    image = Painter(person, shot, width * 2, height * 2).paint().reduce(2)
    if shot.flip:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if shot.occlusion:
        _occlude(image, shot)
    if shot.blur > 0.35:
        image = image.filter(ImageFilter.GaussianBlur(shot.blur - 0.2))
    pixels = np.asarray(image, dtype=np.float32) * (shot.gain * np.array(shot.tint, dtype=np.float32))
    noise = np.random.default_rng(shot.seed).standard_normal(pixels.shape, dtype=np.float32)
    return np.clip(pixels + shot.noise * noise, 0, 255).astype(np.uint8)


def _occlude(image: Image.Image, shot: Shot) -> None:
    """A pole, a bench or a neighbour's shoulder in front of the person."""
    rng = random.Random(shot.seed + 1)
    w, h = image.size
    draw = ImageDraw.Draw(image)
    tone = rng.choice(((90, 92, 98), (126, 104, 80), (70, 84, 72)))
    if rng.random() < 0.5:
        draw.rectangle((0, h * (1 - shot.occlusion * 0.5), w, h), fill=tone)
    else:
        x = rng.uniform(0, w)
        draw.rectangle((x, 0, x + w * shot.occlusion * 0.25, h), fill=tone)

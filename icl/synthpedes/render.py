"""Draw a pedestrian: drawn at twice the size with Pillow, then reduced, lit, blurred and re-sampled as a camera would."""

from __future__ import annotations

import random

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from icl.synthpedes.attributes import Identity, Shot
from icl.synthpedes.canvas import RGB, shade
from icl.synthpedes.figure import Figure


class Painter(Figure):
    """Draws one person, and what is worn, carried and held, in the order of what hides what."""

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
        self._hat()
        self._scarf()
        self._backpack(behind=False)
        if self.shot.view != "back":
            self._held()
        return self.image

    def _hat(self) -> None:
        if not self.person.hat:
            return
        colour, view = RGB[self.person.hat_colour], self.shot.view
        if self.person.hat == "beanie":
            self.polygon(((-0.086, 0.066), (-0.070, 0.005), (0.0, -0.022), (0.070, 0.005), (0.086, 0.066)), colour)
            self.box(-0.088, 0.046, 0.088, 0.070, shade(colour, 0.75))
            self.disc(0, -0.022, 0.022, 0.018, shade(colour, 0.75))
        else:
            self.polygon(((-0.084, 0.056), (-0.064, 0.008), (0.064, 0.008), (0.084, 0.056)), colour)
            brim = {"front": (-0.080, 0.080), "side": (0.0, 0.140), "back": (-0.084, 0.084)}[view]
            if view != "back":
                self.box(brim[0], 0.050, brim[1], 0.070, shade(colour, 0.62))

    def _scarf(self) -> None:
        if self.person.scarf:
            colour = RGB[self.person.scarf]
            self.disc(0, 0.182, 0.085, 0.030, colour)
            if self.shot.view != "back":
                self.limb((0.045, 0.19), (0.055, 0.315), 0.046, shade(colour, 0.88))

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
                shade(colour, 0.8),
            )
        elif view == "front":
            for side in (-1, 1):
                self.limb((side * 0.075, 0.195), (side * 0.085, 0.37), 0.030, colour)
        elif view == "side" and behind:
            self.polygon(((-0.19, 0.21), (-0.04, 0.20), (-0.04, 0.43), (-0.20, 0.42)), colour)
        elif view == "back" and not behind:
            self.polygon(((-0.095, 0.215), (0.095, 0.215), (0.105, 0.43), (-0.105, 0.43)), colour)
            self.box(-0.065, 0.33, 0.065, 0.405, shade(colour, 0.75))

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
            self.limb((low[0] - 0.035, 0.53), low, 0.014, shade(colour, 0.7))
            self.limb((low[0] + 0.035, 0.53), low, 0.014, shade(colour, 0.7))
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

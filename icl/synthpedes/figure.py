"""A person's body and clothes."""

from __future__ import annotations

from PIL import Image, ImageDraw

from icl.synthpedes.canvas import RGB, Canvas, Point, shade


class Figure(Canvas):
    """Draws legs, torso, arms and head."""

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

    def _shoe(self, x: float, y: float) -> None:
        colour = RGB[self.person.shoes_colour]
        if self.person.shoes == "boots":
            self.limb((x, y - 0.085), (x, y), 0.088, colour)
        self.disc(x + 0.012, y + 0.015, 0.052, 0.030, colour)
        if self.person.shoes == "sneakers":
            sole = (250, 250, 250) if self.person.shoes_colour != "white" else (90, 90, 90)
            self.box(x - 0.040, y + 0.030, x + 0.064, y + 0.044, sole)

    def _torso_outline(self) -> tuple[tuple[Point, ...], float]:
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
        trim = shade(self.upper, 0.62) if sum(self.upper) > 240 else shade(self.upper, 2.6)
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

    def _pattern(self, outline: tuple[Point, ...], bottom: float) -> None:
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
        dark = shade(self.upper, 0.86)
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

    def _face(self, view: str, face: float) -> None:
        if view == "back":
            return
        eyes = (-0.026, 0.026) if view == "front" else (0.048,)
        for x in eyes:
            self.disc(face * 0 + x, 0.092, 0.008, 0.008, (30, 26, 30))
        lips = (196, 48, 66) if self.person.gender == "female" else shade(self.skin, 0.72)
        self.disc(0.0 if view == "front" else 0.052, 0.132, 0.018, 0.007, lips)
        if self.person.glasses:
            for x in eyes:
                self.disc(x, 0.092, 0.026, 0.020, (16, 16, 20))
            self.box(-0.066 if view == "front" else 0.0, 0.086, 0.066, 0.093, (16, 16, 20))

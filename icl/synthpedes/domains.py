"""The embedded benchmarks' domains: who is photographed, by which cameras, and how annotators write.

As CUHK-PEDES, ICFG-PEDES and UFine6926 differ, these do; no appearance stands in two of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from icl.synthpedes.attributes import CITY, Camera, Identity, Wardrobe, fingerprint, in_benchmark
from icl.synthpedes.captions import BENCHMARK_STYLE, FINE_STYLE, TERSE_STYLE, CaptionStyle


@dataclass(frozen=True)
class Domain:
    """Attributes:
    shares: which fourths of the appearances that are kept for benchmarks live here.
    """

    camera: Camera
    wardrobe: Wardrobe
    style: CaptionStyle
    shares: tuple[int, ...]

    def holds(self, person: Identity) -> bool:
        """Whether an appearance belongs to this domain."""
        return in_benchmark(person) and fingerprint(person) // 4 % 4 in self.shares


_WINTER_CAMERA = Camera(
    gain=(0.5, 0.95), blur=1.1, noise=10.0, occlusion=0.18, scale=(0.78, 0.98), shift=0.07, cast=(0.88, 0.97, 1.1)
)
_CLOSE_CAMERA = Camera(gain=(0.85, 1.2), tint=0.05, blur=0.4, noise=3.0, occlusion=0.05, scale=(0.94, 1.08))

DOMAINS = {
    "city": Domain(CITY, Wardrobe(), BENCHMARK_STYLE, (0, 1)),
    "winter": Domain(
        _WINTER_CAMERA,
        Wardrobe((1, 2, 5, 6, 4, 0.5), (6, 2, 4, 2, 1, 1, 2, 4, 2, 1, 4), scarf=0.5, hat=0.5),
        TERSE_STYLE,
        (2,),
    ),
    "fine": Domain(_CLOSE_CAMERA, Wardrobe(), FINE_STYLE, (3,)),
}
"""Domains by name: the default; dark cold days seen by poor cameras and terse annotators; long captions of close views."""

"""For the vLLM that the tests start: torchvision's own operators belong to another build of torch and do not load.

Its Python part registers shapes for two of them, which therefore have to be known; nothing here calls them.
"""

try:
    from torch.library import Library
except ImportError:
    pass
else:
    kept = Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        kept.define(f"{name}(Tensor boxes, Tensor scores, float threshold) -> Tensor")

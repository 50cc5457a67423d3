"""One's own image folder, encoded once: `Index`."""

from icl.apps.index.gallery import Index

__all__ = ["Index"]

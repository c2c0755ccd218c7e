"""What a person looks at. A view is an observer of the sampling loop: it is called with a `Step` and changes nothing."""

from rnd1lib.views.step import Observer, Step

__all__ = ["Observer", "Step"]

"""What trainers of images share and what needs more than the standard library; each module says what it needs."""

__version__ = "1.0.0"

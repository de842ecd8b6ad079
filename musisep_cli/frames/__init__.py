"""Frames: a recording as short spectra, worked through a block at a time (paper, Section 2.2)."""

"""The Beurling LASSO: tones as the fewest unit atoms, with a certificate that none is missing.

After S. Schulze, E. J. King, Formulating Beurling LASSO for Source Separation via Proximal Gradient
Iteration, arXiv:2202.08082, 2022.

| idea of the paper | module |
| --- | --- |
| certificate of the dual problem, Eq. (2) | ``tones.certificate``, which reads every method's run |
| measures: the atoms of every frame, and their inner products | ``measures`` |
| LASSO (1) on the atoms found, non-negative | ``non_negative`` |
| sliding Frank-Wolfe: no grid | ``sliding_frank_wolfe`` |
| regularisation path | ``regularisation`` |
| from measures to sets of tones | ``sets`` |
| proximal gradient iteration, Moreau decomposition | ``proximal`` |
| its phase-aware variant, which makes sound | ``phase_aware`` |

Axes: ``n`` frames, ``j`` atoms of a frame, ``i`` instruments, ``h`` harmonics, ``f`` bins, ``s``
pitches, ``x`` places on the fine axis, ``p = j h`` all peaks of a frame's atoms.
"""

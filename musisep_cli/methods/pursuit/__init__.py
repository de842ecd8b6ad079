"""Sparse pursuit and dictionary learning (Schulze & King, EURASIP J. ASMP 2021:6).

The authors' earlier system: the tones of every frame are pursued on a logarithmic frequency axis,
where a timbre is one picture at all pitches; the timbres are learned from random frames. Only the
abstracts of the paper could be read: the equations (P1)-(P7) and (L1), (F1) are numbered here.

| Module | What it is |
| --- | --- |
| `log_axis` | the bins of the logarithmic axis, Gaussian lines on it |
| `lines` | peak pursuit: a spectrum as lines on the linear axis (L1) |
| `spectrogram` | the lines redrawn on the logarithmic axis |
| `tone` | a tone's picture and its derivatives (P1), (P4) |
| `fit` | tones refined together within their bounds (P2), (F1) |
| `selection` | patterns of the atoms and their correlation (P3) |
| `pursuit` | the tones of a spectrum: select, refine, prune, accept |
| `atoms` | random atoms, their scores and renewal (P6) |
| `learning` | the dictionary, by one gradient step per frame (P5) |
| `choice` | several dictionaries, the best kept without knowing the truth |
| `transcription` | the tones of all frames, the blind criterion |
| `mask` | tones on the linear axis, the division of the mixture (P7) |
| `sets` | sets of pursued tones, as likely as their heights (S1) |
| `decoded` | instead of the mask: the sets, chosen over time, and the stems of it |
| `separate` | all of it in a row, resumable |
| `overview` | a small picture of the log-frequency spectrogram |
| `configs`, `settings`, `method`, `compiled` | constants, sections, the house's interface, numba |
"""

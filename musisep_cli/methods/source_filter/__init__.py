"""Source-filter models: voices as harmonics and noise through filters, at a pitch that is known.

After K. Schulze-Forster, G. Richard, L. Kelley, C. Doire, R. Badeau, Unsupervised music source
separation using differentiable parametric source models, IEEE/ACM TASLP 2023, arXiv:2201.09592. A
network makes the parameters of a model of every voice from the mixture and the pitches, and learns
from nothing but how well the models' sum explains it. Masks of the models share out the mixture.

| What | Module |
| --- | --- |
| harmonics, tilt, noise | `source` |
| filters by line spectral frequencies | `filters` |
| the power that is expected in a spectrum; the sound itself | `expected`, `waveform` |
| mixture and pitches to parameters | `network` |
| how far spectra are apart | `loss` |
| the network learns the very recording, and hears it | `adaptation`, `hearing` |
| pitches on the model's grid, merged frames | `tracks` |
| stems by soft masks at the recording's own rate | `masks` |
| start weights, and the program that learns them from simulated voices | `weights`, `training` |
| one recording from samples to stems; as the house sees it | `separate`, `settings`, `method` |
"""

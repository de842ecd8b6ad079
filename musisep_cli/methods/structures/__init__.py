"""Harmonic structures: instruments by what their spectra's peaks have in common, without a network.

After Z. Duan, Y. Zhang, C. Zhang, Z. Shi, Unsupervised single-channel music source separation by
average harmonic structure modeling, IEEE Transactions on Audio, Speech, and Language Processing
16(4), 2008, 766-778. The paper's text could not be had: its constants are those of a public
re-implementation (C. Lordelo, 2017) that cites its equations. Nothing is trained, and what is found
has no chance in it.

| What | Module |
| --- | --- |
| peaks of a spectrum, exact under a Gaussian window | `spectral_peaks` |
| Eqs. 8, 10: how well a pitch explains the peaks | `pitch_likelihood` |
| first pass: pitches one after another, their number by BIC | `first_pass` |
| harmonic structure of a tone | `harmonic_structure` |
| instruments: NK clustering; where it fails, k-means | `nk_clustering`, `k_means` |
| average structure, its instability | `average_structure` |
| Eqs. 14, 15, second pass: pitches by structure | `second_pass` |
| all of these over a recording | `detector` |
| the paper's own sound, with a residual | `sound`, `faithful` |
| both passes' sets of tones, for the house's decoding over time | `sets` |
| one recording from samples to stems; as the house sees it | `separate`, `settings`, `method` |
"""

"""Training: music without end whose tracks are known, and the program that learns from it.

==============  ====================================================================
`phrases`       what is played: notes of parts that belong together
`midi_file`     notes as a file for a synthesiser
`soundfont`     notes played by FluidSynth with sampled instruments
`additive`      notes played by imaginary instruments, sums of sinusoids
`pool`          a folder of pieces, one waveform per part; made once, in parallel
`mixing`        mixtures, their targets and excerpts of the same instruments
`school`        the training loop, resumable exactly
`exam`          how well instruments that no training saw are extracted
`__main__`      ``python -m musisep_cli.methods.identity.training``
==============  ====================================================================

Nothing here is needed, or loaded, by who uses a trained network.
"""

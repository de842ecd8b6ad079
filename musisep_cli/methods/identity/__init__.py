"""Identity: one instrument out of any recording, given who it is.

After the proposal of C. Jemine and M. Beguin ("extraction of an instrument by its identity", Liege,
undated), which fixes neither network nor data; what stands here is this project's own, from the
proposal's relatives (SoundFilter, Conv-TasNet, FiLM).

==============  ==========================================================
`instruments`   the classes of General MIDI, and which programs are held out
`frames`        samples to overlapping spectra and back, without loss
`encoder`       a solo excerpt to 64 numbers: the identity
`network`       mixture and identity to a mask in every frame
`loss`          how far an extracted waveform is from the true one
`extraction`    whole recordings, block by block, at any rate, any channels
`weights`       a trained network in one file
`training`      the music generator and the program that trains
==============  ==========================================================

Axes: ``b`` batch, ``i`` parts of a piece, ``n`` frames, ``f`` bins, ``t`` samples, ``c`` channels.
"""

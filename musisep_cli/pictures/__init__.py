"""Pictures of the recording, of its stems and pitches, and of what was learned from it.

| Module | Picture |
| --- | --- |
| `pictures.spectrogram` | level over time and frequency, of the mix and of every stem |
| `pictures.dictionary` | relative harmonic amplitudes of every instrument (paper, Section 2.3) |
| `pictures.curves` | the objective and its three terms over the iterations (Section 3.5) |
| `pictures.pitch` | the fundamental of every instrument over time |
| `pictures.certificate` | where tones were missed, over time and pitch |
| `pictures.canvas` | what all pictures share: figure, file, colours, time axis |

Pictures are drawn on figure objects and never through pyplot, whose global state would be shared by
threads and by whoever imports this package. The first picture imports matplotlib, this package does
not.
"""

from musisep_cli.pictures.certificate import write_certificate
from musisep_cli.pictures.curves import write_curves
from musisep_cli.pictures.dictionary import write_dictionary
from musisep_cli.pictures.pitch import write_pitch
from musisep_cli.pictures.spectrogram import colour_range, write_spectrogram

__all__ = [
    "colour_range",
    "write_certificate",
    "write_curves",
    "write_dictionary",
    "write_pitch",
    "write_spectrogram",
]

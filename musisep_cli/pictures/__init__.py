"""Pictures of what goes in, what comes out, and what was learned.

| Module | Picture |
| --- | --- |
| `plots.spectrogram` | level over time and frequency, of the mix and of every stem |
| `plots.dictionary` | relative harmonic amplitudes of every instrument (paper, Section 2.3) |
| `plots.curves` | the objective and its three terms over the iterations (Section 3.5) |
| `plots.pitch` | the fundamental of every instrument over time |
| `plots.canvas` | what they share: figure, file, colours, time axis |

Only figure objects are used, never pyplot: nothing global changes, and threads do not meet.
matplotlib is imported by the first picture, not by this package.
"""

from musisep_cli.pictures.curves import write_curves
from musisep_cli.pictures.dictionary import write_dictionary
from musisep_cli.pictures.pitch import write_pitch
from musisep_cli.pictures.spectrogram import colour_range, write_spectrogram

__all__ = [
    "colour_range",
    "write_curves",
    "write_dictionary",
    "write_pitch",
    "write_spectrogram",
]

"""Listening page: one file to hear a separation with, to see where to doubt it, and to choose.

| Module | What |
| --- | --- |
| `page.content` | what the page holds: sounds, pitches, marks, words, all as plain values |
| `page.compressed` | sounds as MP3 or Ogg Vorbis |
| `page.piano_roll` | notes as paths of an SVG |
| `page.write` | template, script and style joined to one file |

``template/`` holds the page's own HTML, CSS and JavaScript. It asks nothing of a network, and its
content security policy forbids it to.
"""

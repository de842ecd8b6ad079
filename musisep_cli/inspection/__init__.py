"""Inspection: what a sound file is, what a separation found, what this machine is. No printing.

| question | module |
| --- | --- |
| sound file, separation, dictionary or machine? | ``kinds`` |
| rate, length, level, clipping and silence of a recording | ``sound`` |
| whether it sounds like a few melodic lines | ``character`` |
| time and memory that its separation takes here | ``estimate`` |
| a finished run folder, read and checked | ``separation`` |
| what it found, in numbers | ``findings`` |
| pitch tracks to notes | ``notes`` |
| notes to a MIDI file | ``midi`` |
| versions, device and threads for a bug report | ``environment`` |
"""

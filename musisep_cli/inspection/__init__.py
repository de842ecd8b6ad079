"""Inspection: facts about a sound file, a finished separation, a dictionary or this machine.

These modules return values and texts, and print nothing.

| what | module |
| --- | --- |
| tell whether an argument is a sound file, a separation, a dictionary or the word env | ``kinds`` |
| measure rate, length, level, clipping and silence of a recording | ``sound`` |
| judge whether a recording sounds like a few melodic lines | ``character`` |
| estimate the time and memory that a separation takes here | ``estimate`` |
| read and check the folder of a finished separation | ``separation`` |
| sum up what a separation found | ``findings`` |
| turn pitch tracks into notes | ``note_list`` |
| write notes as a MIDI file | ``midi`` |
| guess a General MIDI instrument from a timbre | ``general_midi`` |
| list versions, device and threads for a bug report | ``environment`` |
"""

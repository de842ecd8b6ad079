"""Scores: what is known beforehand of the notes in a recording, as files tell it."""

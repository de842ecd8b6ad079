"""Given: from the notes that are known beforehand to the tones of every frame."""

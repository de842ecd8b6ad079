"""Players: which of the tones that a method proposes sound, and who plays them, over all frames."""

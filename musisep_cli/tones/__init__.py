"""Paper, Section 2: what a recording is made of (frame, tones, dictionary)."""

"""Sound: samples in memory and in files."""

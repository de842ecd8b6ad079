"""Settings: what a run is made with, from presets, files and flags."""

"""Stems: tones to waveforms."""

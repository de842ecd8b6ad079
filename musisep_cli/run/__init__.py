"""Run: one recording and several seeds, kept in memory or in a folder; no mathematics."""

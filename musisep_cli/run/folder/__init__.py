"""Folder: what a separation leaves on disk."""

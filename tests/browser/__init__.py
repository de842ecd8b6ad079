"""The listening page in a real browser."""

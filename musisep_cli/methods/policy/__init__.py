"""Paper, Sections 3.1-3.4 and 3.6: how one time frame is explained, tone after tone."""

"""Paper, Sections 3.5 and 3.7: how the network and the dictionary learn from the recording."""

"""`musisep evaluate`: scores of a separation against references."""

"""`musisep inspect`: what a recording is, and what a separation found."""

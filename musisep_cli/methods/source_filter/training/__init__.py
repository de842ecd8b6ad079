"""Training: the start weights of the network, learned from simulated voices."""

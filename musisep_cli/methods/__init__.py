"""Methods: one package for each way to find out what sounds."""

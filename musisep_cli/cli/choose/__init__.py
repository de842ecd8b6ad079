"""`musisep choose`."""

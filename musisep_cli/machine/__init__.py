"""Machine: the computer underneath: devices, threads, files, locks, signals."""

"""Cluster: the engine that spreads units of work over machines, by Ray.

A unit is one call of a function: read a recording and look at its folder, make one of its seeds,
choose among them. What it makes lies in the output folder, which all machines share, so a unit that
is lost is begun again anywhere, and goes on from its checkpoint. Nothing but settings, reports and
small results goes through Ray.
"""

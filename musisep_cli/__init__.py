"""musisep: blind separation of melodic instruments by policy gradients."""

__version__ = "0.1.0"

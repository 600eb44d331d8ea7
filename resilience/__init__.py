"""What keeps failing, are we getting better, and what should we rehearse next?

Importing this package loads neither pandas nor plotly: heavy imports live in the modules that need them.
"""

__version__ = "0.1.0"

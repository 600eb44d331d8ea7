"""Ratios against the obvious alternative, measured in the same run: `make bench`."""

"""Specialists: one file each, listed in `registry`."""

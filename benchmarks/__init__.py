"""Measurements of speed and memory: ratios of things run side by side in one run, never absolute promises."""

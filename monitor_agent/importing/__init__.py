"""Imports tables of predictions and labels: the rows become event lines, which the configured pipeline delivers."""

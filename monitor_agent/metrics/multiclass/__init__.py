"""Metrics of predictions of one of several classes.

A model has at most `confusion_matrix.MOST_CLASSES` classes of its own in a state; all further ones are the class
`other`.
"""

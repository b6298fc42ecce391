"""Kibana's saved objects, watches and rules: their model, their checks, and how they get into a Kibana and out of it.

`objects`, `lens`, `dashboards`, `saved_search`, `data_views` are the pure model; `lens_searches` and `tables` turn a
panel into searches and their answers into rows, for the checks and for every viewer.
"""

"""Kibana's saved objects, watches and rules: their model, their checks, and how they get into a Kibana and out of it.

`objects`, `lens`, `dashboard_model`, `saved_search` and `data_views` are the pure model. `panel_query` turns a panel
into searches and their responses into its data, for the check of the dashboards, for the viewer and for the reports.
"""

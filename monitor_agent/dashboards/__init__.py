"""Kibana's saved objects as web pages and as reports, without Kibana: a reader that never writes.

`library` reads the objects, `dashboard_data` searches their data in one request, `rendering` turns the data of a panel
into its view. `app` and `server` make web pages of the views, `reports` makes one file.
"""

"""Kibana's saved objects as web pages and as reports, without Kibana: a reader that never writes.

`library` reads the objects, `asking` their data in one request, `pictures` says what each panel shows; `app` and
`server` serve it, `report` puts it on one page.
"""

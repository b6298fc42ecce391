"""The HTTP server of the model server, the viewer and the health page: waitress with limits, TLS and rules of hosts.

An application sees only requests that were read whole and that came under an allowed host name.
"""

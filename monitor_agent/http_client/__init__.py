"""What all HTTP clients share: addresses, trust in certificates, the `Authorization` header, reasons of failures."""

"""The way of documents to Elasticsearch: bulk requests, what answers mean, parked documents, dead letters."""

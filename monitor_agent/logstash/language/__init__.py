"""The language of Logstash configurations: syntax, fields, texts with references, conditions, patterns, code."""

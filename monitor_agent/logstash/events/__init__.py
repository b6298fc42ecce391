"""The values of events: times, numbers and texts, as Logstash reads and writes them."""

"""Takes the events of other systems by HTTP and writes them as event lines before it answers."""

"""Files on their way in: the raw body of one request, or numbered chunks that survive an interruption."""

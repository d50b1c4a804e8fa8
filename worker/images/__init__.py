"""Images for container engines as the worker makes them: the base with the model server, and one for each lock."""

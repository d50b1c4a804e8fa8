"""Where replicas run: siblings with the same four verbs, plain Python, no Django."""

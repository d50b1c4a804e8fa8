"""The front proxy: what it should say, and how it is told."""

"""Replays: recorded calls asked again of another revision, and how its answers and times differ."""

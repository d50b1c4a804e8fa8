"""The loaded models described, for programs and for people."""

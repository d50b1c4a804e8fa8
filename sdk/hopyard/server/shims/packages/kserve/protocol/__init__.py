"""`kserve.protocol`: what handlers receive and answer with."""

"""The start of a replica in a container: its files are fetched and laid out before the model server begins."""

"""The commands over the client. With `hopyard.cli`, the only part of the package that prints."""

"""Topics in Kafka or in folders: made, described, written, read, and kept as they are wanted."""

"""The log consumer: messages become inference records in the database, and what waits in files goes to Kafka."""

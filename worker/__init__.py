"""The worker: the only part that touches processes, containers, brokers and proxies."""

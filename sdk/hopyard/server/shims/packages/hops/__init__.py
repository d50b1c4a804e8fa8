"""A stand-in for the `hops` client inside a replica: `hops.hdfs` over the artifact's own files."""

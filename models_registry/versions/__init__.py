"""What is known of model versions beyond their files: aliases, tags, metrics, schema; and comparing two of them."""

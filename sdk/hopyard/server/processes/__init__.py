"""Several processes that answer as one: a supervisor, a template that is forked, workers, and what joins them."""

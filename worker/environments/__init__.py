"""Python environments as the worker makes them: interpreters found, requirements resolved, locks built and verified."""

"""Python environments as people see them: what is asked for, locked, built, used and compared with training."""

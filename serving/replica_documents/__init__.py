"""What replicas that share no disk with the platform ask it for, and give it: files, records, predictors."""

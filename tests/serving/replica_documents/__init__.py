"""What replicas without a shared disk ask the platform for: files by a signed address, records, predictors."""

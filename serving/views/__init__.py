"""The pages of servings, one file for each."""

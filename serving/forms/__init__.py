"""The forms on the pages of servings."""

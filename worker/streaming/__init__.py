"""Servings that are asked through a topic: requests are read, replicas asked, answers written to another topic."""

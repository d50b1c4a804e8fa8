"""The inference records of a serving: their fields, and how they are found, drawn, shown and exported."""

"""What scanning found in the files of a project, and what the project makes of it."""

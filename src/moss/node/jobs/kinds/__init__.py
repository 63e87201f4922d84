"""What jobs do, one file for each kind or family of kinds."""

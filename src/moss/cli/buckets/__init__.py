"""What the commands on buckets and on many objects share."""

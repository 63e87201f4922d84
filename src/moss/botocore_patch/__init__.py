"""Changes to botocore for programs that make their clients themselves; others call `moss.boto.client`."""

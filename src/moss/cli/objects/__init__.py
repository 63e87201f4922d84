"""What the commands on objects and archives share: transfers, local files, unpacking."""

"""What the calls take and answer, a file a resource."""

"""One module a family of rows. Each workload prepares everything first and then starts the meter."""

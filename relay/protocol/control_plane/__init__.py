"""What the events of the control plane say: records of groups, chat messages, issues, repositories."""

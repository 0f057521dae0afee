"""What a transaction does to groups beside what events say: what the relay tells of them, events entered anew, keys that leave."""

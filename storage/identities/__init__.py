"""Primary data: who someone is. `types` and `commands` are the words, `reads`, `decisions` and `writes` what is done with them."""

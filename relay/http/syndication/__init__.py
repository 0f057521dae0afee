"""Feeds for programs: RSS, Atom and JSON Feed at the address of each page that has one."""

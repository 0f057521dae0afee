"""How pages are made: Markdown, templates, static files, and what a visitor's request says about the look."""

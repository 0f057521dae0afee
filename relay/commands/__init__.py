"""The verbs of the command line, one module a group; `relay.cli` lists them. They may import whatever `relay.cli` may."""

"""The file on the disk: opened, locked and brought up to date; its write-ahead log; how far it is known to have been written."""

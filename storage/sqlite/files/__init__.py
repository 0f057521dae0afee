"""The file on the disk: opened, locked and migrated; its write-ahead log; how far it is known to have been written."""

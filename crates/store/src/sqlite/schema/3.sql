-- What is written to find out whether the disk takes writes again; one row at most.
CREATE TABLE write_probe (room BLOB NOT NULL) STRICT;

PRAGMA user_version = 3;

-- How far each log is pruned, and when that was: for whoever asks for a line that is not there. What counts are the lines
-- `lines_pruned` of the log itself.
CREATE TABLE audit_pruned (
    tenant TEXT    NOT NULL PRIMARY KEY,
    last   INTEGER NOT NULL,
    at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 7;

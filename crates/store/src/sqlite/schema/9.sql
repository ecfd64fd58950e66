-- Who is signed in at the hub, which agents may act for whom, which clients registered, and who was shut out. `person` is
-- the key of the user whose row it is, if it is one person's.
CREATE TABLE access (
    kind    TEXT NOT NULL,
    id      TEXT NOT NULL,
    tenant  TEXT,
    person  TEXT,
    ends_at INTEGER,
    record  TEXT NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

-- What somebody on this machine wants taken away or given back (`deputy revoke`); the hub that runs does it and takes the
-- wish out. A number is never used twice, so that no wish is taken for an earlier one.
CREATE TABLE revocation_wish (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    record TEXT    NOT NULL
) STRICT;

PRAGMA user_version = 9;

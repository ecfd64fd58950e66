-- Wishes to erase a person, by `deputy audit erase` while a hub runs; the hub's writer grants them and takes them out.
CREATE TABLE erasure_wish (
    tenant   TEXT    NOT NULL,
    issuer   TEXT    NOT NULL,
    subject  TEXT    NOT NULL,
    asked_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, issuer, subject)
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 2;

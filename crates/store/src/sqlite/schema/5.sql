-- Thrown switches. `target` is one text per target; `record` is the switch.
CREATE TABLE switch (
    tenant TEXT NOT NULL,
    target TEXT NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (tenant, target)
) STRICT, WITHOUT ROWID;

-- Wishes to throw or release one, by `deputy stop` and `deputy resume`; the hub that runs grants them and takes them out.
-- A number is never used twice, so that no wish is taken for an earlier one.
CREATE TABLE switch_wish (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    record TEXT    NOT NULL
) STRICT;

-- From which the limits count again at start what was performed lately.
CREATE INDEX audit_event_at ON audit_event (tenant, at, seq);

PRAGMA user_version = 5;

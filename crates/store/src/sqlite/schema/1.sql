-- The audit log: one line each, the stored hashes of its Merkle tree, and its signed checkpoints.
CREATE TABLE audit_event (
    tenant   TEXT    NOT NULL,
    seq      INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    call     TEXT,
    public   BLOB    NOT NULL,
    leaf     BLOB    NOT NULL,
    personal BLOB,
    salt     BLOB,
    PRIMARY KEY (tenant, seq)
) STRICT;

CREATE TABLE audit_hash (
    tenant TEXT    NOT NULL,
    idx    INTEGER NOT NULL,
    hash   BLOB    NOT NULL,
    PRIMARY KEY (tenant, idx)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit_checkpoint (
    tenant TEXT    NOT NULL,
    size   INTEGER NOT NULL,
    note   TEXT    NOT NULL,
    PRIMARY KEY (tenant, size)
) STRICT;

-- Intents without an outcome, by the number of the intent's line.
CREATE TABLE open_call (
    tenant  TEXT    NOT NULL,
    call_id TEXT    NOT NULL,
    seq     INTEGER NOT NULL,
    PRIMARY KEY (tenant, call_id)
) STRICT, WITHOUT ROWID;

-- Single-use tickets, by the hash of their text.
CREATE TABLE ticket (
    hash       BLOB    NOT NULL PRIMARY KEY,
    tenant     TEXT    NOT NULL,
    record     TEXT    NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX ticket_end ON ticket (expires_at);

-- Questions to a person. `record` is the question as it was asked; the columns after it are what happens to it.
CREATE TABLE approval (
    tenant               TEXT    NOT NULL,
    id                   TEXT    NOT NULL,
    requester            TEXT    NOT NULL,
    digest               BLOB    NOT NULL,
    created_at           INTEGER NOT NULL,
    expires_at           INTEGER NOT NULL,
    record               TEXT    NOT NULL,
    state                TEXT    NOT NULL CHECK (state IN ('pending', 'approved', 'refused', 'spent', 'expired')),
    decided_by           TEXT,
    decided_at           INTEGER,
    decided_reason       TEXT,
    execution_expires_at INTEGER,
    spent_at             INTEGER,
    PRIMARY KEY (tenant, id)
) STRICT;
CREATE INDEX approval_of ON approval (tenant, requester, created_at) WHERE state = 'pending';
CREATE INDEX approval_pending_end ON approval (expires_at) WHERE state = 'pending';
CREATE INDEX approval_approved_end ON approval (execution_expires_at) WHERE state = 'approved';

PRAGMA user_version = 1;

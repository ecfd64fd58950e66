-- Questions that several people decide. `rule` is the question's rule as it is now, `digest` what people decide about,
-- `call_digest` what was asked. Questions of before this step are not carried over: they lack what people decide about.
DROP TABLE approval;
CREATE TABLE approval (
    tenant               TEXT    NOT NULL,
    id                   TEXT    NOT NULL,
    requester            TEXT    NOT NULL,
    digest               BLOB    NOT NULL,
    call_digest          BLOB    NOT NULL,
    created_at           INTEGER NOT NULL,
    expires_at           INTEGER NOT NULL,
    record               TEXT    NOT NULL,
    rule                 TEXT    NOT NULL,
    quorum               INTEGER NOT NULL,
    own_counts           INTEGER NOT NULL CHECK (own_counts IN (0, 1)),
    others_decide        INTEGER NOT NULL CHECK (others_decide IN (0, 1)),
    state                TEXT    NOT NULL
        CHECK (state IN ('pending', 'approved', 'refused', 'changed', 'spent', 'expired')),
    decided_by           TEXT,
    decided_at           INTEGER,
    decided_reason       TEXT,
    broke_glass          INTEGER NOT NULL DEFAULT 0 CHECK (broke_glass IN (0, 1)),
    reviewed_by          TEXT,
    reviewed_at          INTEGER,
    finding              TEXT,
    replaced_by          TEXT,
    execution_expires_at INTEGER,
    spent_at             INTEGER,
    PRIMARY KEY (tenant, id)
) STRICT;
CREATE INDEX approval_of ON approval (tenant, requester, created_at) WHERE state = 'pending';
CREATE INDEX approval_about ON approval (tenant, requester, call_digest, created_at);
CREATE INDEX approval_others ON approval (tenant, created_at) WHERE state = 'pending' AND others_decide = 1;
CREATE INDEX approval_pending_end ON approval (expires_at) WHERE state = 'pending';
CREATE INDEX approval_approved_end ON approval (execution_expires_at) WHERE state = 'approved';
CREATE INDEX approval_unreviewed ON approval (tenant, created_at) WHERE broke_glass = 1 AND reviewed_at IS NULL;

-- One person's word on one question; `place` is in whose place, the person's own where nobody delegated.
CREATE TABLE approval_cast (
    tenant TEXT    NOT NULL,
    id     TEXT    NOT NULL,
    place  TEXT    NOT NULL,
    person TEXT    NOT NULL,
    yes    INTEGER NOT NULL CHECK (yes IN (0, 1)),
    cast   TEXT    NOT NULL,
    PRIMARY KEY (tenant, id, place),
    UNIQUE (tenant, id, person),
    FOREIGN KEY (tenant, id) REFERENCES approval (tenant, id) ON DELETE CASCADE
) STRICT;

CREATE TABLE delegation (
    tenant   TEXT    NOT NULL,
    giver    TEXT    NOT NULL,
    receiver TEXT    NOT NULL,
    record   TEXT    NOT NULL,
    until    INTEGER NOT NULL,
    PRIMARY KEY (tenant, giver, receiver)
) STRICT, WITHOUT ROWID;

CREATE TABLE standing_grant (
    tenant     TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    person     TEXT    NOT NULL,
    record     TEXT    NOT NULL,
    expires_at INTEGER NOT NULL,
    uses       INTEGER NOT NULL,
    used       INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, id),
    CHECK (used <= uses)
) STRICT, WITHOUT ROWID;
CREATE INDEX standing_grant_of ON standing_grant (tenant, person, expires_at);

PRAGMA user_version = 4;

-- Definitions of tools, by the hash that pins them, as canonical JSON; once, whoever registered them.
CREATE TABLE definition (
    tenant TEXT NOT NULL,
    hash   BLOB NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (tenant, hash)
) STRICT, WITHOUT ROWID;

-- What counts for a whole tenant.
CREATE TABLE tenant_pin (
    tenant    TEXT    NOT NULL,
    source    TEXT    NOT NULL,
    origin    TEXT    NOT NULL,
    tool      TEXT    NOT NULL,
    hash      BLOB    NOT NULL,
    pinned_by TEXT    NOT NULL CHECK (pinned_by IN ('manifest', 'admin')),
    at        INTEGER NOT NULL,
    PRIMARY KEY (tenant, source, origin, tool, hash, pinned_by)
) STRICT, WITHOUT ROWID;

-- What counts for one user.
CREATE TABLE user_pin (
    tenant    TEXT    NOT NULL,
    user      TEXT    NOT NULL,
    source    TEXT    NOT NULL,
    origin    TEXT    NOT NULL,
    tool      TEXT    NOT NULL,
    hash      BLOB    NOT NULL,
    pinned_by TEXT    NOT NULL CHECK (pinned_by IN ('first_use', 'person')),
    at        INTEGER NOT NULL,
    PRIMARY KEY (tenant, user, source, origin, tool, hash)
) STRICT, WITHOUT ROWID;

-- What a user has not accepted. The rowid is the order in which it came.
CREATE TABLE waiting_definition (
    tenant TEXT    NOT NULL,
    user   TEXT    NOT NULL,
    source TEXT    NOT NULL,
    origin TEXT    NOT NULL,
    tool   TEXT    NOT NULL,
    hash   BLOB    NOT NULL,
    state  TEXT    NOT NULL CHECK (state IN ('waiting', 'refused')),
    at     INTEGER NOT NULL,
    PRIMARY KEY (tenant, user, source, origin, tool, hash)
) STRICT;
CREATE INDEX waiting_definition_of ON waiting_definition (tenant, source, hash);

-- What an administrator accepted by `deputy tools accept` while a hub runs; the hub takes it up and out.
CREATE TABLE accepted_tool (
    tenant   TEXT    NOT NULL,
    source   TEXT    NOT NULL,
    origin   TEXT    NOT NULL,
    tool     TEXT    NOT NULL,
    hash     BLOB    NOT NULL,
    asked_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, source, origin, tool, hash)
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 6;

-- The vault. Everything in it is sealed: the keys of tenants under the operator's master key, which is not here.
CREATE TABLE vault_key (
    tenant TEXT NOT NULL PRIMARY KEY,
    record TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The newest version of each secret. Without a record it was removed: its version is never given again.
CREATE TABLE vault_secret (
    tenant  TEXT    NOT NULL,
    server  TEXT    NOT NULL,
    name    TEXT    NOT NULL,
    version INTEGER NOT NULL,
    record  TEXT,
    PRIMARY KEY (tenant, server, name)
) STRICT, WITHOUT ROWID;

-- What somebody on this machine wants of the vault while a hub runs; sealed already. The hub takes it up and out.
CREATE TABLE vault_order (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    record TEXT NOT NULL
) STRICT;

-- What the log says last of a secret is asked at each use. The bytes are `"kind":"secret_`: only those lines are indexed.
CREATE INDEX audit_secret ON audit_event (
    tenant,
    json_extract(CAST(public AS TEXT), '$.source'),
    json_extract(CAST(public AS TEXT), '$.detail.name'),
    seq
) WHERE instr(public, x'226b696e64223a227365637265745f') > 0;

PRAGMA user_version = 8;

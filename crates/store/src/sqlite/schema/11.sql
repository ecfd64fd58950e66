-- The keys above what people consented to, one per organisation, sealed under the vault's master key. What is sealed under them
-- stands in `access`.
CREATE TABLE consent_key (
    tenant TEXT NOT NULL PRIMARY KEY,
    record TEXT NOT NULL
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 11;

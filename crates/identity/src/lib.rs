//! From strings somebody sent us to identities we may rely on, so that a token can be checked without a database or a network.

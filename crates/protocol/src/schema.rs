//! JSON Schema: definitions are bounded before they are compiled, arguments checked before they are sent (P15).

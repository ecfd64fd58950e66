//! JSON-RPC 2.0 envelopes: parsed once, with `params` and `result` kept as raw text.

//! Everything the hub does: use-cases, the corridor, the ports, so that no door reaches an effect by another way.

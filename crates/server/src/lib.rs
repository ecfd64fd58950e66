//! Doors: each turns what arrives into a call by a caller; none of them can act.

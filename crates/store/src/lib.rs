//! Tables, so that what talks to strangers never sees them.

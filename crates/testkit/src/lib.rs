//! Fakes, models and contract suites; for tests only, so that nothing of it can ship.

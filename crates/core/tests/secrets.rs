//! Invariant 8: a secret cannot be printed, logged, cloned or serialized. These programs must not compile.

#[test]
fn r13_a_secret_gives_nothing_away() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}

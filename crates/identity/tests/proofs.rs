//! Invariant 5: nobody but the verifier makes a `Verified`. These programs must not compile.

#[test]
fn nobody_outside_can_make_a_verified() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}

//! Invariant 5: nobody outside the guard makes a guarded user. These programs must not compile.

#[test]
fn nobody_outside_makes_a_proof() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}

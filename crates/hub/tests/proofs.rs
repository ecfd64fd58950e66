//! Invariants 4 and 5: nobody outside the hub makes a caller, an intent, or the right to perform. These programs must
//! not compile.

#[test]
fn nobody_outside_makes_a_proof() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}

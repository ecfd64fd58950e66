//! What must not compile: an `Authorized` that no decision made (invariant 4).

#[test]
fn an_authorized_cannot_be_made_changed_or_copied_outside() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}

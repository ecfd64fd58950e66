//! Forms: what goes out comes back, and what comes twice is refused.

use super::*;
use proptest::prelude::*;

fn read(text: &str) -> Result<Parameters, FormError> {
    Parameters::parse(text.as_bytes())
}

#[test]
fn d4_an_empty_parameter_is_not_sent() {
    let form = Form::new().with("a", "1").with_some("scope", Some("")).with_some("b", None);
    assert_eq!(form.encode().expose(), "a=1");
}

#[test]
fn a_parameter_that_comes_twice_is_refused_but_for_resource() {
    assert_eq!(read("code=a&code=b").err(), Some(FormError::Twice));
    assert_eq!(read("code=&code=b").err(), Some(FormError::Twice));
    assert_eq!(read("%63ode=a&code=b").err(), Some(FormError::Twice));
    let resources = read("resource=a&resource=b").unwrap();
    assert_eq!(resources.all("resource").collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn a_parameter_without_a_value_is_as_one_that_did_not_come() {
    assert_eq!(read("code=&state=s").unwrap().one("code"), None);
}

#[test]
fn a_form_is_bounded_and_utf_8() {
    assert_eq!(read(&"a".repeat(MAX_FORM_BYTES + 1)).err(), Some(FormError::TooLong));
    let many: String = (0..=MAX_PARAMETERS).map(|n| format!("p{n}=1&")).collect();
    assert_eq!(read(&many).err(), Some(FormError::TooLong));
    assert_eq!(read("code=%ff").err(), Some(FormError::NotText));
}

proptest! {
    #[test]
    fn what_is_sent_is_read_as_it_was(value in "[^\u{fffd}]{1,40}", other in "[^\u{fffd}]{1,40}") {
        let body = Form::new().with("a", value.as_str()).with("b", other.as_str()).encode();
        let read = read(body.expose()).unwrap();
        prop_assert_eq!(read.one("a"), Some(value.as_str()));
        prop_assert_eq!(read.one("b"), Some(other.as_str()));
    }
}

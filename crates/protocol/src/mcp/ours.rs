//! Members of `_meta` that are the hub's own, `dev.deputy/…`: what a client says in them is for the hub and goes no further,
//! and a server that says any is not believed, for it would speak with the hub's voice.

use crate::relay::Object;
use serde_json::value::RawValue;

/// How they begin.
const PREFIX: &str = "dev.deputy/";

/// Takes them out of the `_meta` of a result, of parameters, of an item of a list. Whether there were any.
pub fn take_out(of: &mut Object) -> bool {
    of.replace("_meta", without)
}

/// The same of a text that is passed on. `None`: there are none, so it is passed on as it is.
#[must_use]
pub fn taken_out(of: &RawValue) -> Option<Box<RawValue>> {
    if !may_have(of) {
        return None;
    }
    let mut members = Object::parse(of).ok()?;
    members.replace("_meta", without).then(|| members.to_raw())
}

/// An object without those among its own members: `_meta` itself, the `data` of an error. `None`: there are none.
#[must_use]
pub fn without(object: &RawValue) -> Option<Box<RawValue>> {
    if !may_have(object) {
        return None;
    }
    let mut members = Object::parse(object).ok()?;
    let is_ours = members.iter().any(|(name, _)| name.starts_with(PREFIX));
    members.retain(|name| !name.starts_with(PREFIX));
    is_ours.then(|| members.to_raw())
}

/// Whether there can be any: names can be written with escapes.
fn may_have(text: &RawValue) -> bool {
    text.get().contains("dev.deputy") || text.get().contains("\\u")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).expect("json")
    }

    #[test]
    fn what_looks_like_the_hubs_own_is_taken_out_however_it_is_written_and_nothing_else_is_touched() {
        for (given, left) in [
            (r#"{"_meta":{"dev.deputy/trust":1,"a":1.0},"b":1e400}"#, r#"{"_meta":{"a":1.0},"b":1e400}"#),
            (r#"{"_meta":{"\u0064ev.deputy\/reason":"x"}}"#, r#"{"_meta":{}}"#),
            (r#"{"\u005fmeta":{"dev.deputy/x":{}}}"#, r#"{"_meta":{}}"#),
            (
                r#"{"_meta":{"dev.deputy/x":1},"_meta":{"y":1,"dev.deputy/x":2}}"#,
                r#"{"_meta":{},"_meta":{"y":1}}"#,
            ),
        ] {
            assert_eq!(taken_out(&raw(given)).expect("taken out").get(), left);
        }
        for given in [
            r#"{"_meta":{"dev.deputy":1,"x":"dev.deputy/y"},"dev.deputy/z":1}"#,
            r#"{"content":[{"text":"\u00e9"}]}"#,
            r#"{"_meta":null,"x":"dev.deputy/"}"#,
            "[1,2]",
        ] {
            assert!(taken_out(&raw(given)).is_none(), "{given}");
        }
    }
}

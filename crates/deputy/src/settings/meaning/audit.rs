//! `[audit]`.

use super::{DAY, Meaning, Wrong};
use crate::publish::{BucketTarget, Target};
use crate::settings::located::Located;
use crate::settings::{Audit, network, raw, span};
use deputy_audit::arguments::Recording;
use deputy_core::TenantId;
use std::time::Duration;
use url::Url;

const HALF_A_YEAR: Duration = Duration::from_secs(180 * 24 * 60 * 60);
const LONGEST: Duration = Duration::from_secs(36_500 * 24 * 60 * 60);

impl Meaning<'_, '_> {
    pub(super) fn audit(&mut self, audit: Option<&raw::Audit>, tenants: &[TenantId]) -> Option<Audit> {
        let Some(audit) = audit else { return Some(Audit::default()) };
        // The word was checked against the schema.
        let said = audit.arguments.as_ref();
        let known = said.and_then(|said| Recording::WORDS.iter().find(|(word, _)| *word == said.as_str()));
        let keep = match &audit.keep {
            Some(keep) => Some(self.keep(keep)?),
            None => None,
        };
        let publish: Vec<Target> =
            audit.publish.iter().filter_map(|target| self.target(target, tenants)).collect();
        // INVARIANT: no place of the file is dropped on the way.
        (publish.len() == audit.publish.len()).then_some(())?;
        Some(Audit { recording: known.map(|(_, recording)| *recording).unwrap_or_default(), keep, publish })
    }

    /// Half a year is what operators of such systems may be held to (AUD-10); less than that is said in words.
    fn keep(&mut self, keep: &Located<String>) -> Option<Duration> {
        self.located(keep, |text| {
            let (length, shortest) = match text.strip_prefix("only ") {
                Some(length) => (length, DAY),
                None => (text, HALF_A_YEAR),
            };
            let mend = match span::parse(length, DAY..=HALF_A_YEAR) {
                Ok(_) => format!(
                    "write `keep = \"180d\"` or more; if you may keep less than half a year, say so: `keep = \"only {length}\"`"
                ),
                Err(_) => "write a number of days, for example `keep = \"400d\"`; without it lines are kept for ever"
                    .to_owned(),
            };
            span::parse(length, shortest..=LONGEST).map_err(|message| (message, mend))
        })
    }

    fn target(&mut self, target: &Located<raw::Publish>, tenants: &[TenantId]) -> Option<Target> {
        let of_buckets = [&target.prefix, &target.region, &target.access_key_id, &target.retain];
        let of_bucket = of_buckets.into_iter().flatten().next();
        if let (None, Some(key)) = (&target.bucket, of_bucket) {
            self.faults.add(
                key.span(),
                "this is for a bucket, and there is none",
                "add `bucket`, or remove the key",
            );
            return None;
        }
        match (&target.file, &target.webhook, &target.bucket) {
            (Some(file), None, None) if tenants.len() > 1 && !file.contains("{tenant}") => {
                let mend = "put `{tenant}` into the path, for each has its own log";
                self.faults.add(file.span(), "several tenants would write the same file", mend);
                None
            }
            (Some(file), None, None) => Some(Target::File(self.path(file))),
            (None, Some(webhook), None) => self.located(webhook, network::web_address).map(Target::Webhook),
            (None, None, Some(bucket)) => self.bucket(bucket, target, tenants).map(Target::Bucket),
            (file, webhook, bucket) => {
                let said = match [file, webhook, bucket].into_iter().flatten().count() {
                    0 => "none of `file`, `webhook` and `bucket`",
                    _ => "more than one of `file`, `webhook` and `bucket`",
                };
                let mend = "write `{ file = \"/mnt/vault/{tenant}-{size}.checkpoint\" }`, `{ webhook = \"https://witness.acme.example/c\" }` or `{ bucket = \"https://s3.eu-central-1.amazonaws.com/acme-audit\", … }`";
                self.faults.add(target.span(), format!("a place in `publish` has {said}"), mend);
                None
            }
        }
    }

    fn bucket(
        &mut self,
        bucket: &Located<String>,
        target: &Located<raw::Publish>,
        tenants: &[TenantId],
    ) -> Option<BucketTarget> {
        let url = self.located(bucket, bucket_address);
        let prefix = match &target.prefix {
            Some(prefix) => self.located(prefix, |text| object_prefix(text, tenants)),
            None if tenants.len() > 1 => {
                let mend = "add `prefix = \"deputy/{tenant}/\"`, for each has its own log";
                self.faults.add(bucket.span(), "several tenants would write the same objects", mend);
                None
            }
            None => Some(String::new()),
        };
        let mut word = |word: &Option<Located<String>>, key: &str| match word {
            Some(word) => self.located(word, |text| plain_word(text, key)),
            None => {
                self.faults.add(
                    bucket.span(),
                    format!("the bucket has no `{key}`"),
                    format!("add `{key} = \"…\"`"),
                );
                None
            }
        };
        let region = word(&target.region, "region");
        let access_key_id = word(&target.access_key_id, "access_key_id");
        let secret_access_key = match &target.secret_access_key {
            Some(secret) => self.secret(secret),
            None => {
                let mend = "add `secret_access_key = { file = \"s3.secret\" }`";
                self.faults.add(bucket.span(), "the bucket has no `secret_access_key`", mend);
                None
            }
        };
        let retain = match &target.retain {
            Some(retain) => Some(self.located(retain, |text| {
                let mend = "write a number of days, for example `retain = \"400d\"`".to_owned();
                span::parse(text, DAY..=LONGEST).map_err(|message| (message, mend))
            })?),
            None => None,
        };
        Some(BucketTarget {
            url: url?,
            prefix: prefix?,
            region: region?,
            access_key_id: access_key_id?,
            secret_access_key: secret_access_key?,
            retain,
        })
    }
}

/// `https://host/bucket`.
fn bucket_address(text: &str) -> Result<Url, Wrong> {
    let url = network::web_address(text)?;
    let is_bucket = url.query().is_none()
        && url.path_segments().is_some_and(|mut segments| {
            segments.next().is_some_and(|name| !name.is_empty()) && segments.next().is_none()
        });
    let mend = "write host and bucket alone: `https://s3.eu-central-1.amazonaws.com/acme-audit`";
    if is_bucket {
        Ok(url)
    } else {
        Err((format!("`{text}` is not the address of a bucket"), mend.to_owned()))
    }
}

/// Names that need no escaping, in whatever tool somebody reads them with (R7).
fn object_prefix(text: &str, tenants: &[TenantId]) -> Result<String, Wrong> {
    let rest = text.replace("{tenant}", "");
    let plain = rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte));
    let climbs = text.starts_with('/')
        || text.contains("//")
        || text.split('/').any(|part| part == ".." || part == ".");
    if !plain || climbs || text.len() > 512 {
        let mend = "use letters, digits, `-`, `_`, `.`, `/` and `{tenant}`: `deputy/{tenant}/`".to_owned();
        return Err((format!("`{text}` is not the beginning of an object's name"), mend));
    }
    if tenants.len() > 1 && rest.len() == text.len() {
        let mend = "put `{tenant}` into it, for each has its own log".to_owned();
        return Err(("several tenants would write the same objects".to_owned(), mend));
    }
    Ok(text.to_owned())
}

/// What stands between slashes in a signature's scope.
fn plain_word(text: &str, key: &str) -> Result<String, Wrong> {
    let plain = !text.is_empty()
        && text.len() <= 128
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    let mend = "write it as the bucket's provider does: letters, digits, `-` and `_`".to_owned();
    if plain { Ok(text.to_owned()) } else { Err((format!("this is no `{key}`"), mend)) }
}

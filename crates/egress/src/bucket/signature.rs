//! AWS Signature Version 4 for S3 (AWS, "Signature Calculations for the Authorization Header: Transferring Payload in a
//! Single Chunk"). Pure: the same request at the same moment has the same signature.

use super::Bucket;
use deputy_core::{Digest, Timestamp};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use std::fmt::Write as _;
use url::Url;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// What is signed.
pub(super) struct Signing<'a> {
    pub(super) bucket: &'a Bucket,
    pub(super) method: &'a str,
    /// With a path that [`encoded`] wrote, and no query.
    pub(super) url: &'a Url,
    pub(super) content: &'a [u8],
    pub(super) at: Timestamp,
}

impl Signing<'_> {
    /// These header fields and those that a signature adds, `authorization` and `host` among them. Names are lower case.
    pub(super) fn headers(&self, mut headers: Vec<(&'static str, String)>) -> Vec<(&'static str, String)> {
        let moment = moment(self.at);
        let content = hex::encode(Digest::of_bytes(self.content).as_bytes());
        headers.push(("host", host(self.url)));
        headers.push(("x-amz-content-sha256", content.clone()));
        headers.push(("x-amz-date", moment.clone()));
        headers.sort_unstable();
        let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let mut canonical = format!("{}\n{}\n\n", self.method, self.url.path());
        for (name, value) in &headers {
            // Writing into a text cannot fail.
            let _ = writeln!(canonical, "{name}:{}", value.trim());
        }
        let _ = write!(canonical, "\n{names}\n{content}");
        let scope = self.scope(&moment);
        let hash = hex::encode(Digest::of_bytes(canonical.as_bytes()).as_bytes());
        let signature = hex::encode(self.mac(&moment, &format!("{ALGORITHM}\n{moment}\n{scope}\n{hash}")));
        let credential = format!("{}/{scope}", self.bucket.access_key_id);
        let authorization =
            format!("{ALGORITHM} Credential={credential},SignedHeaders={names},Signature={signature}");
        headers.push(("authorization", authorization));
        headers
    }

    fn scope(&self, moment: &str) -> String {
        format!("{}/{}/s3/aws4_request", day(moment), self.bucket.region)
    }

    fn mac(&self, moment: &str, text: &str) -> [u8; 32] {
        let secret = deputy_core::Secret::new(format!("AWS4{}", self.bucket.secret_access_key.expose()));
        let parts = [day(moment), &self.bucket.region, "s3", "aws4_request"];
        let first = hmac(secret.expose().as_bytes(), parts[0].as_bytes());
        let key = parts.iter().skip(1).fold(first, |key, part| hmac(&key, part.as_bytes()));
        hmac(&key, text.as_bytes())
    }
}

/// HMAC takes keys of any length, so there is no error to answer.
fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    mac.update(text);
    mac.finalize().into_bytes().into()
}

/// `20130524T000000Z`.
fn moment(at: Timestamp) -> String {
    let text = at.to_string();
    let seconds = text.split_once('.').map_or(text.as_str(), |(seconds, _)| seconds);
    seconds.chars().filter(char::is_ascii_alphanumeric).filter(|c| *c != 'Z').chain(['Z']).collect()
}

fn day(moment: &str) -> &str {
    moment.split_once('T').map_or(moment, |(day, _)| day)
}

/// With the port, unless it is the scheme's own.
fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The key of an object as it stands in a path: everything but unreserved characters and slashes is escaped.
pub(super) fn encoded(key: &str) -> String {
    let mut text = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                text.push(char::from(byte))
            }
            other => {
                let _ = write!(text, "%{other:02X}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use deputy_core::Secret;

    /// The examples of the AWS page named above.
    fn example() -> Bucket {
        Bucket {
            url: Url::parse("https://examplebucket.s3.amazonaws.com").unwrap(),
            region: "us-east-1".to_owned(),
            access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned()),
            retain: None,
        }
    }

    fn authorization(
        method: &str,
        key: &str,
        headers: Vec<(&'static str, String)>,
        content: &[u8],
    ) -> String {
        let bucket = example();
        let url = Url::parse(&format!("{}{}", bucket.url, encoded(key))).unwrap();
        let at = Timestamp::from_millis(1_369_353_600_000);
        let signing = Signing { bucket: &bucket, method, url: &url, content, at };
        let headers = signing.headers(headers);
        headers.into_iter().find(|(name, _)| *name == "authorization").unwrap().1
    }

    #[test]
    fn the_get_of_the_aws_page_has_the_signature_of_the_page() {
        assert_eq!(
            authorization("GET", "test.txt", vec![("range", "bytes=0-9".to_owned())], b""),
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
             SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,\
             Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
    }

    #[test]
    fn the_put_of_the_aws_page_has_the_signature_of_the_page() {
        let headers = vec![
            ("x-amz-storage-class", "REDUCED_REDUNDANCY".to_owned()),
            ("date", "Fri, 24 May 2013 00:00:00 GMT".to_owned()),
        ];
        assert_eq!(
            authorization("PUT", "test$file.text", headers, b"Welcome to Amazon S3."),
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
             SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,\
             Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
        );
    }

    #[test]
    fn r7_a_key_is_escaped_and_never_leaves_its_bucket() {
        assert_eq!(encoded("deputy/acme/7.checkpoint"), "deputy/acme/7.checkpoint");
        assert_eq!(encoded("a b?c#d%e\r\n&é"), "a%20b%3Fc%23d%25e%0D%0A%26%C3%A9");
    }
}

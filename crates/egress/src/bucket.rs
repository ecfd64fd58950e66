//! Objects in an S3-like bucket, each written once: `PUT` with `If-None-Match: *`, signed by AWS Signature Version 4.
//!
//! Addresses are path-style (`https://host/bucket/key`). A bucket that does not know `If-None-Match` would overwrite: Amazon
//! S3 knows it since August 2024, MinIO and Ceph's RGW do too.

mod signature;

use crate::client::{Ask, EgressError, HttpClient, failed, whole};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use deputy_core::{Digest, Secret, Timestamp};
use http::{HeaderMap, HeaderValue, Method};
use signature::{Signing, encoded};
use std::time::Duration;
use url::Url;

/// The most that is read of an answer, and so of an object that is already there.
const ANSWER_BYTES: usize = 64 * 1024;

/// A bucket, and by whose right we write into it.
pub struct Bucket {
    /// `https://host/bucket`, without a slash at its end.
    pub url: Url,
    /// Of the bucket, as its signatures name it: `eu-central-1`.
    pub region: String,
    /// Whose key.
    pub access_key_id: String,
    /// The key.
    pub secret_access_key: Secret<String>,
    /// For how long nobody may delete or change an object (object lock in compliance mode).
    pub retain: Option<Duration>,
}

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// It was written.
    Written,
    /// It was there, with the same content.
    Already,
    /// Another one was there; it was not touched.
    Another,
    /// The bucket answered with this status.
    Refused(u16),
}

impl HttpClient {
    /// Writes an object that nobody wrote before, at a moment that the bucket agrees with to a few minutes.
    ///
    /// # Errors
    /// No whole answer.
    pub async fn put_once(
        &self,
        bucket: &Bucket,
        key: &str,
        content: &[u8],
        at: Timestamp,
    ) -> Result<Stored, EgressError> {
        let mut headers = vec![
            ("content-type", "text/plain; charset=utf-8".to_owned()),
            ("if-none-match", "*".to_owned()),
            ("x-amz-sdk-checksum-algorithm", "SHA256".to_owned()),
            ("x-amz-checksum-sha256", STANDARD.encode(Digest::of_bytes(content).as_bytes())),
        ];
        if let Some(retain) = bucket.retain {
            let millis = u64::try_from(retain.as_millis()).unwrap_or(u64::MAX);
            let until = Timestamp::from_millis(at.millis().saturating_add(millis));
            headers.push(("x-amz-object-lock-mode", "COMPLIANCE".to_owned()));
            headers.push(("x-amz-object-lock-retain-until-date", until.to_string()));
        }
        let (status, _) = self.ask_bucket(bucket, Method::PUT, key, headers, content, at).await?;
        match status {
            200..=299 => Ok(Stored::Written),
            412 => {
                let (status, there) = self.ask_bucket(bucket, Method::GET, key, Vec::new(), b"", at).await?;
                Ok(match status {
                    200 if there == content => Stored::Already,
                    200 => Stored::Another,
                    status => Stored::Refused(status),
                })
            }
            status => Ok(Stored::Refused(status)),
        }
    }

    async fn ask_bucket(
        &self,
        bucket: &Bucket,
        method: Method,
        key: &str,
        headers: Vec<(&'static str, String)>,
        content: &[u8],
        at: Timestamp,
    ) -> Result<(u16, Bytes), EgressError> {
        let mut url = bucket.url.clone();
        url.set_path(&format!("{}/{}", bucket.url.path().trim_end_matches('/'), encoded(key)));
        let signing = Signing { bucket, method: method.as_str(), url: &url, content, at };
        let client = self.client_for(&url, Ask::Configured)?;
        let request =
            client.request(method.clone(), url.clone()).headers(header_map(signing.headers(headers))?);
        let response = request.body(content.to_vec()).send().await.map_err(|error| failed(&url, error))?;
        let status = response.status().as_u16();
        Ok((status, whole(&url, response, ANSWER_BYTES).await?.body))
    }
}

fn header_map(headers: Vec<(&'static str, String)>) -> Result<HeaderMap, EgressError> {
    let mut map = HeaderMap::new();
    // The client writes `host` itself, from the address that was signed.
    for (name, value) in headers.into_iter().filter(|(name, _)| *name != "host") {
        let mut value = HeaderValue::from_str(&value)
            .map_err(|_| EgressError::Client(format!("`{name}` of a bucket cannot stand in a header")))?;
        value.set_sensitive(name == "authorization");
        map.insert(name, value);
    }
    Ok(map)
}

#[cfg(test)]
mod tests;

//! Checkpoints in an S3-like bucket: an object each, written once, under a retention lock if the operator wishes.

use super::PublishError;
use crate::settings::SecretSource;
use deputy_core::{TenantId, Timestamp};
use deputy_egress::{Bucket, HttpClient, Stored};
use std::time::Duration;
use url::Url;

/// A bucket that the operator named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketTarget {
    /// `https://host/bucket`.
    pub url: Url,
    /// Where the names of its objects begin; `{tenant}` in it stands for the log's tenant.
    pub prefix: String,
    /// The bucket's region.
    pub region: String,
    /// Whose key.
    pub access_key_id: String,
    /// Where the key is; read each time, so that it can be changed.
    pub secret_access_key: SecretSource,
    /// For how long an object is locked.
    pub retain: Option<Duration>,
}

impl BucketTarget {
    pub(super) async fn put(
        &self,
        client: &HttpClient,
        at: Timestamp,
        tenant: &TenantId,
        size: &str,
        note: &str,
    ) -> Result<(), PublishError> {
        let bucket = Bucket {
            url: self.url.clone(),
            region: self.region.clone(),
            access_key_id: self.access_key_id.clone(),
            secret_access_key: self.secret_access_key.read()?,
            retain: self.retain,
        };
        let key = format!("{}{size}.checkpoint", self.prefix.replace("{tenant}", tenant.as_str()));
        match client.put_once(&bucket, &key, note.as_bytes(), at).await? {
            Stored::Written | Stored::Already => Ok(()),
            Stored::Another => Err(PublishError::Another(format!("{}/{key}", self.url))),
            Stored::Refused(status) => Err(PublishError::Refused { url: self.url.to_string(), status }),
        }
    }
}

//! `[telemetry]`.

use super::Meaning;
use crate::settings::located::Located;
use crate::settings::{SecretSource, Telemetry, network, raw};
use deputy_hub::traces::Sample;
use url::Url;

/// What the hub calls itself where nobody says otherwise.
const SERVICE_NAME: &str = "deputy";

impl Meaning<'_, '_> {
    /// The outer `None`: something is wrong.
    pub(super) fn telemetry(&mut self, telemetry: Option<&raw::Telemetry>) -> Option<Option<Telemetry>> {
        let Some(telemetry) = telemetry else { return Some(None) };
        let endpoint = self.located(&telemetry.otlp_endpoint, network::collector_address);
        let headers = match &telemetry.otlp_headers {
            Some(headers) => self.collector_headers(headers, endpoint.as_ref()).map(Some),
            None => Some(None),
        };
        let sample = match &telemetry.sample {
            Some(sample) => self.sample(sample),
            None => Some(Sample::ALL),
        };
        let service_name = match &telemetry.service_name {
            Some(name) => self.text(name, "service_name"),
            None => Some(SERVICE_NAME.to_owned()),
        };
        Some(Some(Telemetry {
            endpoint: endpoint?,
            headers: headers?,
            sample: sample?,
            service_name: service_name?,
        }))
    }

    /// They are secrets: they go over plain http to nobody but this machine.
    fn collector_headers(
        &mut self,
        headers: &Located<raw::SecretSource>,
        endpoint: Option<&Url>,
    ) -> Option<SecretSource> {
        if let Some(url) = endpoint.filter(|url| url.scheme() == "http" && !network::is_loopback(url)) {
            let message = format!(
                "`otlp_headers` would be sent to `{}` in plain http",
                url.origin().ascii_serialization()
            );
            self.faults.add(
                headers.span(),
                message,
                "write `otlp_endpoint` with https, or remove the headers",
            );
            return None;
        }
        self.secret(headers)
    }

    fn sample(&mut self, written: &Located<f64>) -> Option<Sample> {
        let sample = Sample::part(**written);
        if sample.is_none() {
            let mend = "write a part from 0.0 to 1.0, for example `sample = 0.1` for a tenth";
            self.faults.add(written.span(), format!("`sample` cannot be {}", **written), mend);
        }
        sample
    }
}

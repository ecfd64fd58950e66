//! Whether the collector of traces answers. It is sent no span.

use super::Finding;
use crate::cli::terminal::harmless;
use crate::settings::Telemetry;
use crate::telemetry::traces::probe;

/// A collector that is missing costs traces, never calls: a warning.
pub(super) async fn reach(telemetry: &Telemetry) -> Finding {
    match probe(telemetry).await {
        Ok(url) => Finding::good(format!("the collector of traces answers at {}", harmless(&url))),
        Err(why) => {
            let mend = "see whether it receives OTLP over HTTP there (usually port 4318), or remove [telemetry]; \
                        docs/guide/observability.md. Calls go on without it";
            Finding::warning(format!("the collector of traces: {}", harmless(&why)), mend)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::terminal::Mark;
    use deputy_hub::traces::Sample;
    use deputy_testkit::FakeCollector;

    async fn found(collector: &FakeCollector) -> Finding {
        let endpoint = collector.endpoint().parse().expect("an address");
        reach(&Telemetry { endpoint, headers: None, sample: Sample::ALL, service_name: "deputy".to_owned() })
            .await
    }

    #[tokio::test]
    async fn a_collector_that_answers_is_good_and_was_sent_nothing() {
        let collector = FakeCollector::start();
        let finding = found(&collector).await;
        assert_eq!(finding.mark, Mark::Good, "{}", finding.text);
        assert_eq!((collector.exports().len(), collector.spans().len()), (1, 0));
    }

    #[tokio::test]
    async fn a_collector_that_does_not_is_a_warning_with_the_mend() {
        let collector = FakeCollector::start();
        collector.answers(404, Vec::new());
        let finding = found(&collector).await;
        assert_eq!(finding.mark, Mark::Warning);
        assert!(finding.text.contains("/v1/traces` answered with status 404"), "{}", finding.text);
        assert!(finding.mend.is_some_and(|mend| mend.contains("4318")));
    }
}

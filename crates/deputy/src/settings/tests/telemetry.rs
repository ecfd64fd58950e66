//! Where traces may go.

use super::*;
use crate::settings::Telemetry;
use deputy_hub::traces::Sample;

fn with(telemetry: &str) -> Result<Option<Telemetry>, String> {
    let text = format!("{GOOD}[telemetry]\n{telemetry}\n");
    let settings = Settings::parse(&text, Path::new("/etc/deputy/deputy.toml"));
    settings.map(|settings| settings.telemetry).map_err(|faults| faults.to_string())
}

#[test]
fn there_are_no_traces_unless_somebody_says_where_to() {
    assert_eq!(Settings::parse(GOOD, Path::new("deputy.toml")).expect("settings").telemetry, None);
    let telemetry = with("otlp_endpoint = \"http://collector:4318\"").expect("good").expect("some");
    assert_eq!(telemetry.endpoint.as_str(), "http://collector:4318/");
    assert_eq!((telemetry.sample, telemetry.service_name.as_str()), (Sample::ALL, "deputy"));
    assert_eq!(telemetry.headers, None);
}

#[test]
fn all_of_it_can_be_said() {
    let said = "otlp_endpoint = \"https://otlp.acme.example/tenant\"\notlp_headers = { file = \"otlp.headers\" }\n\
                sample = 0.25\nservice_name = \"deputy-north\"";
    let telemetry = with(said).expect("good").expect("some");
    assert_eq!(telemetry.endpoint.as_str(), "https://otlp.acme.example/tenant");
    assert_eq!(telemetry.headers, Some(SecretSource::File("/etc/deputy/otlp.headers".into())));
    assert_eq!(Some(telemetry.sample), Sample::part(0.25));
    assert_eq!(telemetry.service_name, "deputy-north");
}

#[test]
fn a_part_may_be_written_as_a_whole_number() {
    for (said, part) in [("0", 0.0), ("1", 1.0), ("0.0", 0.0), ("1.0", 1.0)] {
        let said = format!("otlp_endpoint = \"http://127.0.0.1:4318\"\nsample = {said}");
        assert_eq!(
            with(&said).expect("good").map(|telemetry| telemetry.sample),
            Sample::part(part),
            "{said}"
        );
    }
}

#[test]
fn what_is_wrong_is_named_with_the_mend() {
    let endpoint = "otlp_endpoint = \"http://collector:4318\"\n";
    for (said, culprit, mend) in [
        (
            "sample = 0.5",
            "`[telemetry]` lacks `otlp_endpoint`",
            "write `otlp_endpoint = \"http://collector:4318\"",
        ),
        ("otlp_endpont = \"http://c\"", "has no key `otlp_endpont`", "did you mean `otlp_endpoint`?"),
        ("otlp_endpoint = \"collector:4318\"", "`collector:4318`", "write"),
        ("otlp_endpoint = \"grpc://collector:4317\"", "`grpc://collector:4317`", "write"),
        (
            "otlp_endpoint = \"http://collector:4318/v1/traces\"",
            "`http://collector:4318/v1/traces` is not the address of a collector alone",
            "write `otlp_endpoint = \"http://collector:4318\"`",
        ),
        (&format!("{endpoint}sample = 1.5"), "`sample` cannot be 1.5", "write a part from 0.0 to 1.0"),
        (&format!("{endpoint}sample = -0.1"), "`sample` cannot be -0.1", "write a part from 0.0 to 1.0"),
        (&format!("{endpoint}sample = nan"), "`sample` cannot be NaN", "write a part from 0.0 to 1.0"),
        (
            &format!("{endpoint}sample = \"all\""),
            "`telemetry.sample` is text, not a number",
            "write `sample = 0.1`",
        ),
        (&format!("{endpoint}service_name = \"\""), "`service_name` is empty", "write it out"),
    ] {
        let fault = with(said).expect_err(said);
        assert!(fault.contains(culprit) && fault.contains(mend), "{said}: {fault}");
    }
}

#[test]
fn headers_are_secrets_and_go_over_plain_http_to_this_machine_alone() {
    let headers = "otlp_headers = { file = \"h\" }";
    let fault = with(&format!("otlp_endpoint = \"http://collector:4318\"\n{headers}")).expect_err("plain");
    assert!(
        fault.contains("`otlp_headers` would be sent to `http://collector:4318` in plain http"),
        "{fault}"
    );
    for good in ["https://collector:4318", "http://127.0.0.1:4318", "http://localhost:4318"] {
        assert!(with(&format!("otlp_endpoint = \"{good}\"\n{headers}")).is_ok(), "{good}");
    }
    let itself =
        with("otlp_endpoint = \"https://c\"\notlp_headers = \"authorization: 0badc0de\"").expect_err("text");
    assert!(!itself.contains("0badc0de"), "{itself}");
    let password = with("otlp_endpoint = \"https://me:0badc0de@c\"").expect_err("password");
    assert!(!password.contains("0badc0de"), "{password}");
}

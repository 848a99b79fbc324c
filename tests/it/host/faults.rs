//! Each way in which a plugin can misbehave ends in its own typed fault.

use std::time::{Duration, Instant};

use pressgate::host::{LoadError, MediaFiles, PluginError, PluginFault, PluginRequest, RefusalView, RequestBody};
use pressgate::model::Outcome;
use serde_json::json;
use tests::samples;

use super::{Network, adapter, host, policy};

async fn fault(text: &str) -> PluginFault {
    let network = Network::kind();
    let error = adapter().perform(&samples::call(&[text]), network, &MediaFiles::none()).await.unwrap_err();
    assert_eq!(error.plugin, "hostile 0.1.0");
    error.fault
}

async fn verdict_fault(text: &str) -> PluginFault {
    let draft = samples::draft(&[text]);
    policy().review(&draft, &samples::context(), &MediaFiles::none()).await.unwrap_err().fault
}

#[tokio::test]
async fn a_loop_ends_with_the_computing_time() {
    let start = Instant::now();
    assert_eq!(fault("spin").await, PluginFault::CpuBudget { budget_ms: 100 });
    assert!(start.elapsed() >= Duration::from_millis(95));
    assert_eq!(verdict_fault("spin").await, PluginFault::CpuBudget { budget_ms: 100 });
}

#[tokio::test]
async fn work_that_the_host_does_for_a_guest_is_the_guests() {
    assert_eq!(fault("spin-in-host-calls").await, PluginFault::CpuBudget { budget_ms: 100 });
}

#[tokio::test]
async fn a_panic_is_a_crash() {
    assert!(matches!(fault("panic").await, PluginFault::Trapped { .. }));
    assert!(matches!(verdict_fault("panic").await, PluginFault::Trapped { .. }));
}

#[tokio::test]
async fn a_stack_without_end_is_a_crash() {
    let PluginFault::Trapped { reason } = fault("descend").await else { panic!() };
    assert!(reason.contains("stack"), "{reason}");
    // With large frames the guest's stack in linear memory ends first.
    let PluginFault::Trapped { reason } = fault("dive").await else { panic!() };
    assert!(reason.contains("memory") || reason.contains("stack"), "{reason}");
}

#[tokio::test]
async fn memory_without_end_is_refused() {
    assert_eq!(fault("eat-memory").await, PluginFault::Memory { limit_bytes: 4 << 20 });
    assert_eq!(verdict_fault("eat-memory").await, PluginFault::Memory { limit_bytes: 4 << 20 });
}

#[tokio::test]
async fn a_gigabyte_is_not_handed_over() {
    // A length beyond the guest's own memory is a crash; one within it and beyond the limit is named as such.
    assert!(matches!(fault("gigabyte").await, PluginFault::Trapped { .. } | PluginFault::HostCallBytes { .. }));
    assert_eq!(fault("much").await, PluginFault::HostCallBytes { limit_bytes: 1 << 20 });
}

#[tokio::test]
async fn nonsense_is_no_answer() {
    for (text, part) in
        [("too-few", "published entries"), ("no-id", "id"), ("many", "10000"), ("nobody-sent", "did not send")]
    {
        let PluginFault::BadAnswer(reason) = fault(text).await else { panic!("{text}") };
        assert!(reason.contains(part), "{text}: {reason}");
    }
    for text in ["deny-without-reason", "findings-without-end", "point-nowhere"] {
        assert!(matches!(verdict_fault(text).await, PluginFault::BadAnswer(_)), "{text}");
    }
    let request = PluginRequest {
        method: "POST".into(),
        url: "/api/posts".into(),
        headers: vec![],
        body: RequestBody::Bytes(b"nonsense".to_vec()),
        credential: None,
    };
    let classified = adapter().classify(&samples::account(), &request).await.unwrap_err();
    assert!(matches!(classified.fault, PluginFault::BadAnswer(_)));
    let view = RefusalView { status: 403, code: "nonsense".into(), message: "No.".into(), retry_after_s: None };
    assert!(matches!(adapter().render_refusal(&view, &request).await.unwrap_err().fault, PluginFault::BadAnswer(_)));
    assert!(matches!(
        adapter().observe("GET", "https://social.example/", 299, &[]).await.unwrap_err().fault,
        PluginFault::BadAnswer(_)
    ));
}

#[test]
fn an_adapter_with_a_bad_description_is_not_loaded() {
    let error = host().reconfigure(&adapter(), &json!({"greeting": "nonsense"})).unwrap_err();
    let LoadError::Describe(failed) = &error else { panic!("{error}") };
    assert_eq!(failed.plugin, "hostile 0.1.0");
    assert!(error.to_string().contains("`post.explode` is not in the gateway's list"), "{error}");
    let panics = host().reconfigure(&adapter(), &json!({"greeting": "panic"})).unwrap_err();
    let LoadError::Describe(PluginError { fault: PluginFault::Trapped { .. }, .. }) = &panics else {
        panic!("{panics}")
    };
    let schema = host().reconfigure(&adapter(), &json!({"greeting": "no-schema"})).unwrap_err();
    assert!(matches!(schema, LoadError::Describe(_)) && schema.to_string().contains("JSON Schema"), "{schema}");
    assert!(adapter().description().is_some() && policy().description().is_none());
}

#[tokio::test]
async fn a_plugin_of_the_other_kind_does_not_answer() {
    let draft = samples::draft(&["hello"]);
    let error = adapter().review(&draft, &samples::context(), &MediaFiles::none()).await.unwrap_err();
    assert!(error.to_string().contains("is an adapter, which is not asked this"), "{error}");
    let error = policy().observe("GET", "https://social.example/", 200, &[]).await.unwrap_err();
    assert!(error.to_string().contains("is a policy, which is not asked this"), "{error}");
}

#[tokio::test]
async fn an_ordinary_draft_gets_its_verdict() {
    let context = samples::context();
    let review = async |text: &str| policy().review(&samples::draft(&[text]), &context, &MediaFiles::none()).await;
    assert_eq!(review("A crisp snack.").await.unwrap(), (Outcome::Allow, vec![]));
    let (outcome, findings) = review("A risk-free snack.").await.unwrap();
    assert_eq!((outcome, findings[0].part, findings[0].range), (Outcome::Deny, Some(0), Some((2, 11))));
    assert_eq!(review("unknown-set").await.unwrap().0, Outcome::Hold);
    let seen = &review("context").await.unwrap().1[0].message;
    assert_eq!(seen, r#"acme-sample ["acme/snacks", "acme"] Some("spring")"#);
}

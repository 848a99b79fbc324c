//! Answers that make no sense, one by one.

use super::*;
use crate::model::Part;

fn draft(texts: &[&str]) -> Draft {
    Draft {
        action: Action::POST_CREATE,
        parts: texts.iter().map(|text| Part { text: text.to_string(), media: vec![] }).collect(),
        language: None,
        target: None,
        options: serde_json::Map::new(),
        labels: vec![],
        campaign: None,
    }
}

fn finding_at(part: Option<u32>, range: Option<(u32, u32)>) -> types::Finding {
    types::Finding {
        code: "a-rule".into(),
        severity: types::Severity::Warning,
        message: "Look.".into(),
        part,
        range,
        measure: None,
        place: None,
        extra: vec![],
    }
}

#[test]
fn a_finding_points_at_something() {
    let draft = draft(&["žluť", ""]);
    for (part, range, fits) in [
        (None, None, true),
        (Some(0), None, true),
        (Some(2), None, false),
        (Some(u32::MAX), None, false),
        (Some(0), Some((0, 6)), true),
        (Some(0), Some((0, 7)), false),
        (Some(0), Some((1, 2)), false),
        (Some(0), Some((4, 2)), false),
        (Some(1), Some((0, 0)), true),
        (None, Some((0, 1)), false),
    ] {
        let checked = findings(vec![finding_at(part, range)], &draft);
        assert_eq!(checked.is_ok(), fits, "{part:?} {range:?}: {checked:?}");
    }
}

#[test]
fn lists_without_end_and_reasons_without_words_are_refused() {
    let draft = draft(&["a"]);
    let many = vec![finding_at(None, None); FINDINGS_MAX + 1];
    assert!(findings(many, &draft).is_err());
    let verdict = |outcome, findings| super::verdict(policy_api::Verdict { outcome, findings, extra: vec![] }, &draft);
    assert!(verdict(policy_api::Outcome::Deny, vec![]).is_err());
    assert!(verdict(policy_api::Outcome::Hold, vec![]).is_err());
    assert!(verdict(policy_api::Outcome::Allow, vec![]).is_ok());
    let mut wordless = finding_at(None, None);
    wordless.message = " ".into();
    assert!(findings(vec![wordless], &draft).is_err());
    let mut loud = finding_at(None, None);
    loud.code = "A RULE".into();
    assert!(findings(vec![loud], &draft).is_err());
}

#[test]
fn success_has_one_id_for_each_entry() {
    let part = |id: &str, url: Option<&str>| adapter_api::Published {
        platform_id: id.into(),
        url: url.map(Into::into),
        extra: vec![],
    };
    let check = |action: &str, texts: &[&str], parts: Vec<adapter_api::Published>| {
        let target = action.ends_with(".delete").then(|| texts.join("\n"));
        let draft = Draft { action: Action::parse(action).unwrap(), target, ..draft(texts) };
        performed(Ok(adapter_api::Performed { parts, extra: vec![] }), &draft, &HashSet::new())
    };
    assert!(check("post.create", &["a", "b"], vec![part("1", None), part("2", Some("https://x.example/2"))]).is_ok());
    assert!(check("post.create", &["a", "b"], vec![part("1", None)]).is_err());
    assert!(check("post.create", &["a"], vec![part("1", None), part("2", None)]).is_err());
    assert!(check("post.create", &["a"], vec![part("", None)]).is_err());
    assert!(check("post.create", &["a"], vec![part("a\nb", None)]).is_err());
    assert!(check("post.create", &["a"], vec![part("1", Some("javascript:alert(1)"))]).is_err());
    assert!(check("post.delete", &["a", "b"], vec![part("a", None)]).is_err());
    assert!(check("post.delete", &["a", "b"], vec![part("a", None), part("b", None)]).is_ok());
}

#[test]
fn a_step_is_unknown_only_after_it_was_sent() {
    let unknown = || Err(adapter_api::Failure::Unknown("post".into()));
    assert!(performed(unknown(), &draft(&["a"]), &HashSet::new()).is_err());
    assert!(performed(unknown(), &draft(&["a"]), &HashSet::from(["post".to_owned()])).is_ok());
}

#[test]
fn actions_and_schemas_are_known() {
    let with = |action: &str, schema: &str, client_paths: &[&str], headers: &[&str]| {
        super::description(adapter_api::Description {
            actions: vec![action.into()],
            rate_classes: vec![],
            client_token: vec![],
            option_schema: schema.into(),
            client_headers: vec![],
            client_paths: client_paths.iter().map(ToString::to_string).collect(),
            client_media: vec![],
            limit_headers: Some(headers.iter().map(ToString::to_string).collect()),
            extra: vec![],
        })
    };
    let description = |action: &str, schema: &str| with(action, schema, &[], &[]);
    let paths = |paths: &[&str]| with("post.create", "{}", paths, &[]);
    assert_eq!(paths(&["/oauth/token", "/api"]).unwrap().client_paths, ["/oauth/token", "/api"]);
    assert!(paths(&["oauth/token"]).is_err() && paths(&["/a?b"]).is_err() && paths(&["/a"; LIST_MAX + 1]).is_err());
    let headers = |name: &str| with("post.create", "{}", &[], &[name]).map(|description| description.limit_headers);
    assert_eq!(headers("X-Left"), Ok(Some(vec!["x-left".to_owned()])));
    assert!(headers("x left").is_err() && headers("").is_err());
    assert!(description("post.create", "{}").is_ok());
    assert!(description("post.explode", "{}").is_err());
    assert!(description("post.create", "{").is_err());
    assert!(description("post.create", r#"{"type":"nonsense"}"#).is_err());
}

#[test]
fn a_refusal_is_never_rendered_as_success() {
    let response =
        |status, name: &str| http::Response { status, headers: vec![(name.into(), "x".into())], body: vec![] };
    assert!(refusal(response(403, "content-type")).is_ok());
    assert!(refusal(response(200, "content-type")).is_err());
    assert!(refusal(response(999, "content-type")).is_err());
    assert!(refusal(response(403, "a b")).is_err());
}

#[test]
fn times_exist() {
    let budget = |reset_at_ms| adapter_api::Budget { class: "c".into(), limit: None, remaining: None, reset_at_ms };
    assert!(budgets(vec![budget(Some(1_700_000_000_000))]).is_ok());
    assert!(budgets(vec![budget(Some(u64::MAX))]).is_err());
}

//! The OpenAPI 3.1 document, made from the types.

use axum::Json;
use serde_json::Value;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

use super::{audit, events, freezes, people, publish, reveals};
use crate::refusal::problem;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Pressgate",
        description = "The one gate through which a company's posts, replies and API calls reach the social networks. Every error is a problem (RFC 9457) whose `type` is a page of this server.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    paths(
        publish::posts::create, publish::posts::list, publish::posts::read, publish::posts::recall, publish::posts::validate,
        publish::steps::edit, publish::steps::submit, publish::steps::approve, publish::steps::reject, publish::steps::comment,
        publish::steps::schedule, publish::steps::cancel, publish::steps::reopen, publish::steps::retry, publish::steps::resolve, publish::invite::invite,
        publish::standing::history, publish::standing::explain, publish::standing::approvals, publish::calendar::calendar,
        publish::calendar::calendar_ics, publish::feeds::create, publish::feeds::list, publish::feeds::revoke, publish::written::request,
        publish::votes::vote, publish::media::upload, publish::me::me, publish::accounts::list,
        people::devices::list, people::devices::revoke, events::stream,
        people::guidelines::api::list, people::guidelines::api::read, people::guidelines::api::acknowledge,
        audit::search::search, audit::search::read, audit::stream::stream, audit::export::export, audit::tree::file,
        reveals::ask, reveals::look, reveals::confirm,
        freezes::begin, freezes::list, freezes::lift, freezes::permit
    ),
    modifiers(&Bearer),
    security(("key" = []))
)]
struct Api;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("pgk")
            .description(Some("A Pressgate key: `pgk_…`."))
            .build();
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("key", SecurityScheme::Http(scheme));
    }
}

/// The document.
pub async fn document() -> Json<Value> {
    Json(describe())
}

/// The document as a value, with every problem type listed.
pub fn describe() -> Value {
    let mut document = serde_json::to_value(Api::openapi()).unwrap_or_default();
    let types: Vec<Value> = problem::ALL
        .iter()
        .map(|problem| serde_json::json!({ "type": problem.address(), "status": problem.status, "title": problem.title, "retry": problem.retry }))
        .collect();
    limits_told(&mut document);
    if let Some(root) = document.as_object_mut() {
        root.insert("x-problem-types".to_owned(), Value::Array(types));
    }
    document
}

/// Every answer to a known caller tells of its limits, whatever its handler is; a problem says when to come back where it knows.
fn limits_told(document: &mut Value) {
    let text = |description: &str| serde_json::json!({ "description": description, "schema": { "type": "string" } });
    let policy = text(
        "The limits that the request touched: each with its quota and window (draft-ietf-httpapi-ratelimit-headers).",
    );
    let limit = text("How each of these limits stands: what is left, and when there is more.");
    let seconds = serde_json::json!({ "description": "Seconds after which the request may succeed.", "schema": { "type": "integer", "minimum": 0 } });
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    let operations = paths.into_iter().flat_map(|paths| paths.values_mut()).filter_map(Value::as_object_mut);
    let answers = operations
        .flat_map(|path| path.values_mut())
        .filter_map(|operation| operation.get_mut("responses").and_then(Value::as_object_mut))
        .flat_map(|responses| responses.iter_mut());
    for (status, answer) in answers {
        let Some(answer) = answer.as_object_mut() else { continue };
        let headers = answer.entry("headers").or_insert_with(|| serde_json::json!({}));
        let Some(headers) = headers.as_object_mut() else { continue };
        headers.insert("RateLimit-Policy".to_owned(), policy.clone());
        headers.insert("RateLimit".to_owned(), limit.clone());
        if status == "default" {
            headers.entry("Retry-After").or_insert_with(|| seconds.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{PostState, TargetState};

    #[test]
    fn the_document_is_openapi_3_1_and_names_every_problem() {
        let document = describe();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
        assert_eq!(document["x-problem-types"].as_array().unwrap().len(), problem::ALL.len());
        assert!(document["paths"]["/v1/posts"]["post"]["requestBody"].is_object());
    }

    #[test]
    fn the_document_names_the_words_that_are_answered() {
        let schemas = &describe()["components"]["schemas"];
        let words = |name: &str| schemas[name]["enum"].as_array().unwrap().clone();
        assert_eq!(words("ProblemType").len(), problem::ALL.len());
        for state in words("PostState") {
            assert!(PostState::parse(state.as_str().unwrap()).is_some(), "{state}");
        }
        for state in words("TargetState") {
            assert!(TargetState::parse(state.as_str().unwrap()).is_some(), "{state}");
        }
        assert_eq!(words("Health"), ["ready", "no-credential", "reconnect", "paused", "silent"]);
        assert_eq!(words("Stage").first().unwrap(), "door");
        assert_eq!(schemas["PostView"]["properties"]["state"]["$ref"], "#/components/schemas/PostState");
    }

    #[test]
    fn the_document_knows_the_limits_that_are_checked() {
        let document = describe();
        let fields = &document["components"]["schemas"]["PostRequest"]["properties"];
        assert_eq!(fields["accounts"]["maxItems"], publish::request::ACCOUNTS_MAX);
        assert_eq!(fields["labels"]["maxItems"], publish::request::LABELS_MAX);
        let parameters = document["paths"]["/v1/posts"]["get"]["parameters"].as_array().unwrap();
        let limit = parameters.iter().find(|parameter| parameter["name"] == "limit").unwrap();
        assert_eq!(limit["schema"]["maximum"], publish::posts::PAGE_MAX);
        let parameters = document["paths"]["/v1/posts"]["post"]["parameters"].as_array().unwrap();
        let key = parameters.iter().find(|parameter| parameter["name"] == "Idempotency-Key").unwrap();
        assert_eq!(key["schema"]["maxLength"], crate::doors::caller::IDEMPOTENCY_KEY_BYTES_MAX);
    }
}

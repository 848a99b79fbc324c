//! The OpenAPI 3.1 document, made from the types.

use axum::Json;
use serde_json::Value;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

use super::{audit, people, publish, reveals};
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
        publish::votes::vote, publish::media::upload, publish::me::me, publish::accounts::list,
        people::devices::list, people::devices::revoke,
        audit::search::search, audit::search::read, audit::stream::stream, audit::export::export, audit::tree::file,
        reveals::ask, reveals::look, reveals::confirm
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
    if let Some(root) = document.as_object_mut() {
        root.insert("x-problem-types".to_owned(), Value::Array(types));
    }
    document
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

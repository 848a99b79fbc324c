//! The OpenAPI 3.1 document, made from the types.

use axum::Json;
use serde_json::Value;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

use super::publish;
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
        publish::votes::vote, publish::media::upload, publish::me::me, publish::accounts::list
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
        .map(|problem| serde_json::json!({ "type": format!("/problems/{}", problem.slug), "status": problem.status, "title": problem.title, "retry": problem.retry }))
        .collect();
    if let Some(root) = document.as_object_mut() {
        root.insert("x-problem-types".to_owned(), Value::Array(types));
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_openapi_3_1_and_names_every_problem() {
        let document = describe();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
        assert_eq!(document["x-problem-types"].as_array().unwrap().len(), problem::ALL.len());
        assert!(document["paths"]["/v1/posts"]["post"]["requestBody"].is_object());
    }
}

//! Refusals as RFC 9457 problem details, and a page for each problem type.

use axum::{
    Json,
    extract::Path,
    http::{Method, StatusCode, Uri, header},
    response::{Html, IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    publish::view::{PostView, VerdictView},
    text::shortened,
    words::{Blames, ProblemTypes, Stages},
};
use crate::{
    listen::Fault,
    refusal::{self, Blame, Refusal, Stage, problem},
    telemetry::spans,
};

/// Longest detail, in characters; each fault tells its own part.
const DETAIL_CHARS_MAX: usize = 2_000;
/// Faults that are shown.
const FAULTS_MAX: usize = 100;
/// Media type of problem details.
const PROBLEM_JSON: &str = "application/problem+json";

/// A refusal as a response.
pub struct Problem {
    refusal: Box<Refusal>,
    post: Option<Box<PostView>>,
}

/// Problem details (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// Which kind.
    #[schema(value_type = ProblemTypes)]
    r#type: String,
    /// Short text, the same for every occurrence.
    title: &'static str,
    /// HTTP status.
    status: u16,
    /// What is wrong with this request, and what to do.
    detail: String,
    /// Stage of the path that refused.
    #[schema(value_type = Stages)]
    stage: Stage,
    /// Who can mend it.
    #[schema(value_type = Blames)]
    blame: Blame,
    /// May the same request succeed later?
    retry: bool,
    /// Each fault, where there can be several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<FaultBody>, required = false)]
    errors: Vec<refusal::Fault>,
    /// What the policies said.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    verdicts: Vec<VerdictView>,
    /// The post, where one was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    post: Option<Box<PostView>>,
}

/// One fault within a request.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Fault)]
#[allow(dead_code, reason = "describes `refusal::Fault` for the OpenAPI document")]
pub struct FaultBody {
    /// JSON pointer into the request.
    #[schema(nullable = false)]
    pointer: Option<String>,
    /// The account that it concerns.
    #[schema(nullable = false)]
    account: Option<String>,
    /// Stable identifier of the rule.
    code: String,
    /// What is wrong and what to do.
    message: String,
    /// Measured amount.
    #[schema(nullable = false)]
    measured: Option<u64>,
    /// Allowed amount.
    #[schema(nullable = false)]
    allowed: Option<u64>,
}

impl Problem {
    /// A refusal about a post that exists.
    pub fn with_post(refusal: Refusal, post: PostView) -> Self {
        Self { refusal: Box::new(refusal), post: Some(Box::new(post)) }
    }

    /// Status and body, for an answer that is kept.
    pub fn parts(self) -> (StatusCode, ProblemBody, Option<u64>) {
        let Refusal { problem, stage, detail, mut faults, verdicts, retry, retry_after_s, .. } = *self.refusal;
        faults.truncate(FAULTS_MAX);
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = ProblemBody {
            r#type: problem.address(),
            title: problem.title,
            status: problem.status,
            detail: shortened(&detail, DETAIL_CHARS_MAX),
            stage,
            blame: problem.blame,
            retry,
            errors: faults,
            verdicts: verdicts.into_iter().map(Into::into).collect(),
            post: self.post,
        };
        (status, body, retry_after_s)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self { refusal: Box::new(refusal), post: None }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        spans::refused(self.refusal.problem.slug, self.refusal.problem.status);
        if self.refusal.problem.status >= 500 {
            tracing::warn!(refusal = %self.refusal, "answered with a problem");
        }
        let unauthenticated = self.refusal.problem == problem::UNAUTHENTICATED;
        let (status, body, retry_after_s) = self.parts();
        let mut response = (status, [(header::CONTENT_TYPE, PROBLEM_JSON)], Json(body)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(PROBLEM_JSON));
        if let Some(seconds) = retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if unauthenticated {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer realm=\"pressgate\""));
        }
        response
    }
}

/// A request whose bytes can't be read in one way only. The connection ends with this answer.
pub fn unreadable(fault: Fault) -> Response {
    let problem = if fault.status() == 431 { problem::HEAD_TOO_LARGE } else { problem::MALFORMED };
    let mut response = Problem::from(Refusal::new(problem, Stage::Door, fault.to_string())).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    response
}

/// A path that nobody serves.
pub async fn no_such_path(uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(100).collect();
    Refusal::new(problem::NOT_FOUND, Stage::Door, format!("Nothing is served at `{path}`. See /v1/openapi.json."))
        .into()
}

/// A path that is served, by other methods.
pub async fn no_such_method(method: Method, uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(100).collect();
    Refusal::new(
        problem::METHOD_NOT_ALLOWED,
        Stage::Door,
        format!("`{path}` does not take {method}. See /v1/openapi.json."),
    )
    .into()
}

/// The page of a problem type.
pub async fn page(Path(slug): Path<String>) -> Response {
    let Some(problem) = problem::ALL.iter().find(|problem| problem.slug == slug) else {
        return (
            StatusCode::NOT_FOUND,
            Html(document("Unknown problem type", "<p><a href=\"/problems\">All problem types</a></p>")),
        )
            .into_response();
    };
    let retry =
        if problem.retry { "yes, the same request may succeed later" } else { "no, something must change first" };
    let body = format!(
        "<p><strong>{}</strong> (HTTP {})</p><p>{}</p><dl><dt>Who can mend it</dt><dd>{}</dd><dt>Try again?</dt><dd>{retry}</dd></dl><p><a href=\"/problems\">All problem types</a></p>",
        escape(problem.title),
        problem.status,
        escape(problem.help),
        format!("{:?}", problem.blame).to_lowercase(),
    );
    Html(document(problem.slug, &body)).into_response()
}

/// All problem types.
pub async fn index() -> Html<String> {
    let rows: String = problem::ALL
        .iter()
        .map(|problem| {
            format!(
                "<tr><td><a href=\"/problems/{0}\">{0}</a></td><td>{1}</td><td>{2}</td></tr>",
                problem.slug,
                problem.status,
                escape(problem.title)
            )
        })
        .collect();
    Html(document(
        "Problem types",
        &format!("<table><tr><th>type</th><th>status</th><th>title</th></tr>{rows}</table>"),
    ))
}

fn document(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>{0}</title>\
         <style>body{{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}}td,th{{padding:.2rem .8rem;text-align:left}}dt{{font-weight:600}}</style>\
         <h1>{0}</h1>{body}</html>",
        escape(title)
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

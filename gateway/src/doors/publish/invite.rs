//! `POST /v1/posts/{id}/invite`: links by which an outside party votes.

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    once::{Repeats, Step},
    posts::view_for,
    refused_step,
    view::PostView,
};
use crate::{
    call::Caller,
    doors::{
        body::JsonBody,
        caller::{Known, PostPath},
        json,
        problem::Problem,
        text::{fault, unfit_id},
    },
    gateway::Gateway,
    posts::links::{self, Made, VALID_FOR, VALID_FOR_MAX},
    refusal::{Refusal, Stage, problem},
};

/// Who is invited.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InviteRequest {
    /// The outside party, as approvals.toml names it.
    #[schema(max_length = 200)]
    pub external: String,
    /// How long the links work: whole minutes, hours, days or weeks, as `48h`; at most `7d`. 48 hours without it.
    #[schema(max_length = 8)]
    pub valid_for: Option<String>,
    /// The version that was seen; without it the post as it is now.
    pub version: Option<u32>,
}

/// What became of an invitation.
#[derive(Debug, Serialize, ToSchema)]
pub struct InvitedView {
    /// The post.
    pub post: PostView,
    /// A link for each address of the party that has not voted on this version.
    pub links: Vec<LinkView>,
}

/// A link for an outside party.
#[derive(Debug, Serialize, ToSchema)]
pub struct LinkView {
    /// Its public id; it opens nothing.
    pub id: String,
    /// First instant at which it no longer works.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// For whom it is. Only where the gateway sends no mail and the caller is a person without a part in the post; else it is sent.
    #[schema(required = true)]
    pub address: Option<String>,
    /// What opens it, under the same condition: whoever has it can vote with it, once. A path where the gateway knows no address of its own.
    #[schema(required = true)]
    pub url: Option<String>,
}

/// Makes links by which an outside party votes on the post: one for each of its addresses, good once, for this version, until their time
/// is over. An earlier link for the same address works no longer. For whoever may write the post, or is asked to approve it.
#[utoipa::path(post, path = "/v1/posts/{id}/invite", operation_id = "invitePost", tag = "approvals", request_body = InviteRequest,
    params(("id" = String, Path, description = "The post."), Repeats),
    responses((status = 201, body = InvitedView, description = "The links were made."),
              (status = "default", content_type = "application/problem+json", body = crate::doors::problem::ProblemBody, description = "A problem.")))]
pub async fn invite(
    State(gateway): State<Arc<Gateway>>,
    Known(caller): Known,
    PostPath(id): PostPath,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let step = Step { gateway: &gateway, caller: &caller, post: &id, name: "post.invite", headers: &headers };
    let work = async |caller: Caller, body: Result<Bytes, Refusal>| {
        let asked = body.and_then(|body| json::read::<InviteRequest>(&body)).and_then(checked);
        let (request, valid_for) = match asked {
            Ok(asked) => asked,
            Err(refusal) => return Err(refused_step(&gateway, &caller, "post.invite", &id, refusal).await),
        };
        let (post, made) = links::invite(&gateway, &caller, &id, &request.external, valid_for, request.version).await?;
        let carries = links::carries(&gateway, &caller, &post);
        let view = |made: &Made| LinkView {
            id: made.id.to_string(),
            expires_at: made.expires_at,
            address: carries.then(|| made.address.as_str().to_owned()),
            url: carries.then(|| format!("{}{}", origin(&gateway), made.path())),
        };
        let links = made.iter().map(view).collect();
        let invited = InvitedView { post: view_for(&gateway, &caller, post), links };
        Ok((StatusCode::CREATED, Json(invited)).into_response())
    };
    step.once(body, work).await
}

/// Where the gateway is reached from outside; empty where nobody said so.
pub(super) fn origin(gateway: &Gateway) -> String {
    let notices = gateway.config.notices.as_ref().map(|notices| notices.base_url.origin().ascii_serialization());
    notices.or_else(|| gateway.config.sign_in.as_ref().map(|sign_in| sign_in.origin())).unwrap_or_default()
}

fn checked(request: InviteRequest) -> Result<(InviteRequest, SignedDuration), Refusal> {
    let mut faults: Vec<_> = unfit_id("/external", "The party", &request.external).into_iter().collect();
    let valid_for = match request.valid_for.as_deref() {
        None => VALID_FOR,
        Some(text) => length(text).unwrap_or_else(|| {
            let text = "`valid_for` is a whole number of minutes, hours, days or weeks, such as `48h`; at most `7d`.";
            faults.push(fault("/valid_for", "length-of-time", text.into()));
            VALID_FOR
        }),
    };
    if faults.is_empty() {
        return Ok((request, valid_for));
    }
    let detail = faults.iter().map(|fault| fault.message.as_str()).collect::<Vec<_>>().join(" ");
    Err(Refusal::new(problem::INVALID, Stage::Door, detail).with_faults(faults))
}

/// `48h`, within the limit.
fn length(text: &str) -> Option<SignedDuration> {
    let unit_m: i64 = match text.chars().last()? {
        'm' => 1,
        'h' => 60,
        'd' => 24 * 60,
        'w' => 7 * 24 * 60,
        _ => return None,
    };
    let number = text.get(..text.len().checked_sub(1)?)?;
    let digits = !number.is_empty() && number.len() <= 6 && number.bytes().all(|byte| byte.is_ascii_digit());
    let minutes = number.parse::<i64>().ok().filter(|_| digits)?.checked_mul(unit_m)?;
    let length = SignedDuration::from_mins(minutes);
    (minutes > 0 && length <= VALID_FOR_MAX).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_whole_and_short() {
        let hours = |text| length(text).map(|length| length.as_hours());
        assert_eq!((hours("48h"), hours("2d"), hours("1w"), hours("90m")), (Some(48), Some(48), Some(168), Some(1)));
        for bad in ["", "h", "0h", "-1h", "+1h", "1.5h", "48", "48 h", "8d", "2w", "1H", "9999999m", "1é", "é"] {
            assert_eq!(hours(bad), None, "{bad}");
        }
    }
}

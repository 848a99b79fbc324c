//! Classify at the native door: what would this request of the network's own API do?

use std::sync::Arc;

use super::{Call, media_ref, supported};
use crate::{
    call::{Caller, sources::Sources},
    gateway::Gateway,
    host::{Classification, Classified, Login, PluginRequest, Release, RequestBody, Snapshot},
    model::{Account, Action, Draft, MediaId, MediaRef, Part, PostId, Principal},
    records::MediaRecord,
    refusal::{Refusal, Stage, problem},
};

/// What a client asks for.
#[allow(clippy::large_enum_variant, reason = "made once for each request and taken apart at once")]
pub enum Asked {
    /// A call, and whether a post of ours could say all that the request does.
    Call(Call, bool),
    /// A login, which the gateway answers itself.
    Login(Login),
}

/// Understands a request for an account as the call that it would be. What its adapter does not know is refused. `uploaded` is the
/// medium that the request carries. The plugins are those that the request met when it came.
///
/// # Errors
/// `not-classified`, `unsupported-action`, `media-unknown`, or the failure of the adapter.
#[tracing::instrument(target = "pressgate::span", name = "classify", skip_all)]
pub async fn native(
    gateway: &Gateway,
    caller: &Caller,
    call: &PostId,
    account: &Arc<Account>,
    request: &PluginRequest,
    uploaded: Option<&MediaRecord>,
    (snapshot, adapter): (Arc<Snapshot>, Arc<Release>),
) -> Result<Asked, Refusal> {
    let governance = gateway.governance.load_full();
    let classified = adapter
        .classify(account, request)
        .await
        .map_err(|error| crate::call::review::plugin_failure(Stage::Classify, &error))?;
    let act = match classified {
        Classification::Act(act) => act,
        Classification::Login(login) => return Ok(Asked::Login(login)),
        Classification::Refuse(why) => {
            return Err(Refusal::new(problem::NOT_CLASSIFIED, Stage::Classify, why));
        }
    };
    if act.prepares || act.commits.is_some() {
        let detail = "This network publishes in two requests, and what the second one shows can't be seen in it. Publish through /v1/posts.";
        return Err(Refusal::new(problem::NOT_CLASSIFIED, Stage::Classify, detail));
    }
    let says_all = act.options.is_some();
    let draft = draft(gateway, caller, account, request, uploaded, act)?;
    supported(&adapter, account, &draft)?;
    let sources = Sources::plain(account);
    let (caller, post, account) = (caller.clone(), call.clone(), Arc::clone(account));
    let says_all = says_all && [Action::POST_CREATE, Action::COMMENT_CREATE].contains(&draft.action);
    Ok(Asked::Call(Call { caller, post, account, adapter, snapshot, governance, draft, sources }, says_all))
}

/// The content as policies judge it. Further texts stand where options of the same name would.
fn draft(
    gateway: &Gateway,
    caller: &Caller,
    account: &Account,
    request: &PluginRequest,
    uploaded: Option<&MediaRecord>,
    act: Classified,
) -> Result<Draft, Refusal> {
    let carried = carried(request);
    let strange = carried.is_some() && uploaded.is_none();
    if strange || (uploaded.is_some() && act.action != Action::MEDIA_UPLOAD) {
        let detail = "Media may be uploaded here, and a request that is none may not carry one.";
        return Err(Refusal::new(problem::NOT_CLASSIFIED, Stage::Classify, detail));
    }
    if let (Some(_), Some(begun)) = (uploaded, &act.target)
        && gateway.uploads.is_begun(account, begun)
    {
        let detail = "The medium comes in pieces, so nobody could judge it whole. Send it in one piece, or by `POST /v1/media` and `POST /v1/posts`.";
        return Err(Refusal::new(problem::NOT_CLASSIFIED, Stage::Classify, detail));
    }
    let mut media = Vec::with_capacity(act.media.len());
    for (reference, alt) in act.media {
        let shown = match (reference, uploaded) {
            (None, Some(record)) => Some(media_ref(record, None)),
            (Some(reference), _) => gateway.uploads.find(account, caller.principal(), &reference),
            (None, None) => None,
        };
        let shown = shown.ok_or_else(|| unknown_medium(account, caller.principal()))?;
        media.push(MediaRef { alt: alt.or(shown.alt.clone()), ..shown });
    }
    let mut options = act.options.unwrap_or_default();
    options.extend(act.texts.into_iter().map(|(name, text)| (name, text.into())));
    Ok(Draft {
        action: act.action,
        parts: vec![Part { text: act.text, media }],
        language: act.language,
        target: act.target,
        options,
        labels: Vec::new(),
        campaign: None,
    })
}

fn unknown_medium(account: &Account, principal: &Principal) -> Refusal {
    let detail = format!(
        "{principal} did not upload this medium to `{}` through the gateway in the last 24 hours, so nobody could judge it. Upload it again.",
        account.id
    );
    Refusal::new(problem::MEDIA_UNKNOWN, Stage::Classify, detail)
}

/// The medium that a request carries.
pub fn carried(request: &PluginRequest) -> Option<MediaId> {
    match &request.body {
        RequestBody::Media(id) => Some(MediaId::new(id.clone())),
        RequestBody::Multipart(fields) => {
            fields.iter().find_map(|field| Some(MediaId::new(field.value.medium()?.clone())))
        }
        RequestBody::None | RequestBody::Bytes(_) => None,
    }
}

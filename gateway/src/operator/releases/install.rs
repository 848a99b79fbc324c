//! Installing: from bytes to a release that may serve, step by step. Nothing serves that did not pass every step.

use std::sync::Arc;

use super::view::{self, ReleaseView};
use crate::{
    audit::leaf::Changed,
    gateway::Gateway,
    host::{COMPONENT_BYTES_MAX, Manifest, PluginGrant, Release, manifest::PluginKind, step},
    operator::{By, Ops, OpsError, ops::leaf_of},
    records::{ReleaseRecord, ReleaseState, ReleaseStep},
    releases::{serve, store::digest_of, vectors::Vectors},
    trust::{Standing, TrustError},
};

/// Installs a component. One that is installed already is told as it is.
///
/// # Errors
/// [`OpsError::Invalid`] for what is no plugin at all: nothing is kept of it. A plugin that does not pass a step is kept as rejected, with
/// the reason, and told so.
pub async fn install(gateway: &Arc<Gateway>, by: &By, component: Vec<u8>) -> Result<ReleaseView, OpsError> {
    let _one_at_a_time = gateway.releases.installing.lock().await;
    let digest = digest_of(&component);
    let standing = trusted(gateway, by, &component, &digest).await?;
    let all = gateway.records.releases().await?;
    if let Some(known) = all.iter().find(|known| known.digest == digest && known.state == ReleaseState::Ready)
        && gateway.releases.store.get(&digest).is_ok()
    {
        return view::release(gateway, known.clone()).await;
    }
    let manifest = understood(&component)?;
    let record = ReleaseRecord { signed_by: standing.clone().signers(), ..record(gateway, &manifest, &component, by) };
    let (component, record) = tried(gateway, component, record, standing).await?;
    let signed = if record.signed_by.is_empty() {
        String::new()
    } else {
        format!(", signed by {}", record.signed_by.join(", "))
    };
    let label = format!("{} {}{signed}", record.name, record.version);
    let ops = Ops::running(gateway);
    let ready = record.state == ReleaseState::Ready;
    let action = if ready { "install" } else { "install-failed" };
    let leaf = leaf_of(Changed::Plugin, action, label, Some(record.digest.clone()), by);
    let (kept, store) = (record.clone(), gateway.releases.store.clone());
    let keep = async {
        if ready {
            let writing = tokio::task::spawn_blocking(move || store.put(&component)).await;
            let written = writing.map_err(|error| OpsError::Internal(error.to_string()))?;
            written.map_err(|error| OpsError::Internal(format!("the release can't be kept: {error}")))?;
        }
        gateway.records.put_release(kept).await.map_err(OpsError::from)
    };
    ops.change(leaf, keep).await?;
    tracing::info!(digest, %by, state = action, "release");
    view::release(gateway, record).await
}

/// Before anything else of it is read: may it run here? What may not is told to the log, without a word of the file's own.
async fn trusted(gateway: &Arc<Gateway>, by: &By, component: &[u8], digest: &str) -> Result<Standing, OpsError> {
    let error = match gateway.releases.trust.judge(component) {
        Ok(standing) => return Ok(standing),
        Err(error) => error,
    };
    let refused = OpsError::Invalid(format!("{}: {error}; nothing was installed", step::VERIFY));
    if component.len() > COMPONENT_BYTES_MAX || matches!(error, TrustError::NotAComponent(_)) {
        return Err(refused);
    }
    let subject = format!("a component that is not trusted: {}", error.word());
    let leaf = leaf_of(Changed::Plugin, "install-refused", subject, Some(digest.to_owned()), by);
    Ops::running(gateway).change(leaf, async { Ok::<(), OpsError>(()) }).await?;
    tracing::warn!(digest, %by, why = error.word(), "a release was refused");
    Err(refused)
}

/// The manifest of what may become a release.
fn understood(component: &[u8]) -> Result<Manifest, OpsError> {
    let told = |error: String| OpsError::Invalid(format!("{}: {error}; nothing was installed", step::VERIFY));
    if component.len() > COMPONENT_BYTES_MAX {
        return Err(told(format!("{} bytes; a plugin has at most {COMPONENT_BYTES_MAX}", component.len())));
    }
    let section = crate::host::manifest::extract(component);
    let section = section.map_err(|error| {
        told(format!("this is not a WebAssembly component: {error}. Build it with `pressgate plugin build`"))
    })?;
    let section = section
        .ok_or_else(|| told("the component carries no manifest. Build it with `pressgate plugin build`".into()))?;
    Manifest::from_json(section).map_err(|error| told(format!("the plugin's manifest: {error}")))
}

fn record(gateway: &Gateway, manifest: &Manifest, component: &[u8], by: &By) -> ReleaseRecord {
    ReleaseRecord {
        digest: digest_of(component),
        name: manifest.name.to_string(),
        version: manifest.version.clone(),
        kind: match manifest.kind {
            PluginKind::Adapter => "adapter".to_owned(),
            PluginKind::Policy => "policy".to_owned(),
            PluginKind::Connector => "connector".to_owned(),
        },
        size_bytes: u64::try_from(component.len()).unwrap_or(u64::MAX),
        installed_at: gateway.clock.now(),
        installed_by: by.to_string(),
        state: ReleaseState::Rejected,
        steps: Vec::new(),
        accepted: Vec::new(),
        signed_by: Vec::new(),
    }
}

/// Everything that can be known before it serves.
async fn tried(
    gateway: &Arc<Gateway>,
    component: Vec<u8>,
    mut record: ReleaseRecord,
    standing: Standing,
) -> Result<(Vec<u8>, ReleaseRecord), OpsError> {
    let trying = Arc::clone(gateway);
    let work = move || {
        let mut steps = Vec::new();
        let mut tell = |name: &str, note: String| {
            let note = if name == step::VERIFY { format!("{note}, {standing}") } else { note };
            steps.push(passed(&trying, name, note));
        };
        let release = trying.host.try_out(&component, &PluginGrant::default(), &mut tell);
        (component, release, steps)
    };
    let (component, release, steps) =
        tokio::task::spawn_blocking(work).await.map_err(|error| OpsError::Internal(error.to_string()))?;
    record.steps = steps;
    match release {
        Ok(release) => match self_test(gateway, &component, &release).await {
            Ok(note) => {
                record.steps.push(passed(gateway, step::SELF_TEST, note));
                record.state = ReleaseState::Ready;
            }
            Err(why) => record.steps.push(failed(gateway, step::SELF_TEST, why)),
        },
        Err(error) => record.steps.push(failed(gateway, error.step(), error.to_string())),
    }
    Ok((component, record))
}

async fn self_test(gateway: &Gateway, component: &[u8], release: &Arc<Release>) -> Result<String, String> {
    match Vectors::of(component)? {
        Some(vectors) => vectors.put(&gateway.host, release).await,
        None => Ok("it carries no vectors".to_owned()),
    }
}

/// A step that was passed.
pub fn passed(gateway: &Gateway, step: &str, note: String) -> ReleaseStep {
    ReleaseStep { step: step.to_owned(), at: gateway.clock.now(), passed: true, note }
}

/// A step that was not.
pub fn failed(gateway: &Gateway, step: &str, note: String) -> ReleaseStep {
    ReleaseStep { passed: false, ..passed(gateway, step, note) }
}

/// Keeps what a later step found, in place of what it found the last time.
///
/// # Errors
/// The records'.
pub async fn note(gateway: &Gateway, record: &mut ReleaseRecord, found: ReleaseStep) -> Result<(), OpsError> {
    record.steps.retain(|known| known.step != found.step);
    record.steps.push(found);
    Ok(gateway.records.put_release(record.clone()).await?)
}

/// The manifest of an installed release.
///
/// # Errors
/// Its component is gone or was changed.
pub fn manifest(gateway: &Gateway, digest: &str) -> Result<Manifest, OpsError> {
    let component = gateway.releases.store.get(digest).map_err(OpsError::Invalid)?;
    serve::manifest(&component).ok_or_else(|| OpsError::Internal(format!("the release {digest} carries no manifest")))
}

//! What the author of a plugin needs of this program before there is a gateway: a project to begin with, the SDK that fits, and a
//! component looked at as a gateway looks at it.

mod project;
mod sdk;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::{Value, json};

pub use project::Kind;

use super::outcome::{Failure, Report};
use crate::{
    clock::SystemClock,
    host::{
        COMPONENT_BYTES_MAX, Host, Manifest, PluginGrant, Release,
        contract::{CONTRACT, range},
        manifest::{self, Origin},
        step,
    },
    model::PluginName,
    releases::{store::digest_of, vectors::Vectors},
};

/// `plugin new`.
#[derive(Debug, clap::Args)]
pub struct New {
    /// What it is to be.
    kind: Kind,
    /// Its name: lower-case letters, digits and dashes.
    name: String,
    /// Where the project goes; without it, a folder of that name here.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Makes a project.
pub fn new(args: &New) -> Result<Report, Failure> {
    manifest::name("the name", &args.name).map_err(|error| Failure::Usage(error.to_string()))?;
    let folder = args.dir.clone().unwrap_or_else(|| PathBuf::from(&args.name));
    let shown = folder.display();
    project::write(args.kind, &PluginName::new(args.name.clone()), &folder).map_err(|error| {
        let advice = match error.kind() {
            std::io::ErrorKind::AlreadyExists => ". Nothing was changed; name another folder with --dir",
            _ => "",
        };
        Failure::refused(format!("{shown}: {error}{advice}"))
    })?;
    let name = &args.name;
    let text = format!(
        "{shown} is a plugin that builds, passes its tests and serves. Next:\n\n  cd {shown}\n  cargo test\n  pressgate plugin build . --out built\n  pressgate plugin check built/{name}.wasm"
    );
    Ok(Report::good(text, json!({ "name": name, "folder": folder })))
}

/// Puts the SDK of this program into a project, in place of an older one.
pub fn refresh(project: &Path) -> Result<Report, Failure> {
    let shown = project.display();
    if !project.join(sdk::FOLDER).join("rust").is_dir() {
        return Err(Failure::refused(format!(
            "{shown} has no folder {}/rust; `pressgate plugin new` makes projects that have one",
            sdk::FOLDER
        )));
    }
    sdk::write(project).map_err(|error| Failure::refused(format!("{shown}: {error}")))?;
    let version = env!("CARGO_PKG_VERSION");
    Ok(Report::good(
        format!("{shown} has the SDK of pressgate {version}, with the contract {CONTRACT}"),
        json!({ "folder": project, "version": version, "contract": CONTRACT }),
    ))
}

/// Looks at a component as a gateway does that is to install it.
pub async fn check(path: &Path) -> Result<Report, Failure> {
    let shown = path.display();
    let refused = |what: String| Failure::refused(format!("{shown}: {what}"));
    let length = fs::metadata(path).map_err(|error| refused(error.to_string()))?.len();
    if length > COMPONENT_BYTES_MAX as u64 {
        return Err(refused(format!("{length} bytes; a plugin has at most {COMPONENT_BYTES_MAX}")));
    }
    let component = fs::read(path).map_err(|error| refused(error.to_string()))?;
    let host = Host::for_judging(Arc::new(SystemClock)).map_err(|error| Failure::refused(error.to_string()))?;
    let mut steps = Vec::new();
    let tried = host.try_out(&component, &PluginGrant::default(), &mut |step, note| steps.push((step, Ok(note))));
    match tried {
        Ok(release) => steps.push((step::SELF_TEST, self_test(&host, &component, &release).await)),
        Err(error) => steps.push((error.step(), Err(error.to_string()))),
    }
    let holds = steps.iter().all(|(_, found)| found.is_ok());
    let section = manifest::extract(&component).ok().flatten();
    let found = section.and_then(|section| Manifest::from_json(section).ok());
    let mut text = vec![format!("{shown}  sha256:{}", digest_of(&component))];
    text.extend(found.iter().flat_map(asks));
    text.extend(steps.iter().map(|(step, found)| match found {
        Ok(note) => format!("ok      {step}: {note}"),
        Err(why) => format!("failed  {step}: {why}"),
    }));
    let told = |(step, found): &(&str, Result<String, String>)| {
        let (Ok(note) | Err(note)) = found;
        json!({ "step": step, "passed": found.is_ok(), "note": note })
    };
    let json = json!({
        "path": path,
        "release": digest_of(&component),
        "name": found.as_ref().map(|manifest| manifest.name.as_str()),
        "version": found.as_ref().map(|manifest| manifest.version.as_str()),
        "contract": found.as_ref().map(|manifest| manifest.wit.as_str()),
        "steps": steps.iter().map(told).collect::<Vec<Value>>(),
    });
    let text = text.join("\n");
    Ok(if holds { Report::good(text, json) } else { Report::bad(text, json) })
}

async fn self_test(host: &Host, component: &[u8], release: &Arc<Release>) -> Result<String, String> {
    match Vectors::of(component)? {
        Some(vectors) => vectors.put(host, release).await,
        None => Ok("it carries no vectors; self-test.json beside plugin.toml gives it some".to_owned()),
    }
}

/// What a plugin is and asks for, in plain words.
fn asks(manifest: &Manifest) -> Vec<String> {
    let Manifest { name, version, kind, wit, networks, http, credentials, limits, .. } = manifest;
    let mut lines = vec![
        format!("{name} {version}, {}", format!("{kind:?}").to_lowercase()),
        format!(
            "runs on gateways with the contract {wit} or a later {minor}.x; this one takes {} (pressgate {})",
            range(),
            env!("CARGO_PKG_VERSION"),
            minor = wit.rsplit_once('.').map_or(wit.as_str(), |(minor, _)| minor),
        ),
    ];
    lines.extend(networks.iter().map(|network| format!("speaks  {network}")));
    lines.extend(http.iter().map(|rule| {
        let origin = match &rule.origin {
            Origin::AccountEndpoint => "the account's own server".to_owned(),
            Origin::Fixed(origin) => format!("{origin} (an operator has to grant it)"),
        };
        format!("asks    {} below {} of {origin}", rule.methods.join(", "), rule.path_prefixes.join(", "))
    }));
    lines.extend(
        credentials
            .iter()
            .map(|credential| format!("asks    the credential `{}` ({})", credential.label, credential.scheme.word())),
    );
    lines.push(format!(
        "limits  {} ms of computing, {} ms in all, {} MiB, {} calls at once",
        limits.guest_ms,
        limits.wall_ms,
        limits.memory_bytes >> 20,
        limits.concurrent
    ));
    lines
}

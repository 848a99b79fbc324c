//! `pressgate plugin push | pull`, and components from a registry for `plugin install`.
//!
//! A component lies in a registry as the CNCF's Wasm artifact: an OCI image manifest of one layer, the component as it is, with the
//! signatures in it. What is pulled is known by its digests; who may have made it, its signatures say.

mod login;
mod reference;
mod wire;

use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

pub use reference::Reference;
use reference::is_digest;
use wire::{Answer, Registry};

use super::outcome::{Failure, Report};
use crate::{
    host::{
        COMPONENT_BYTES_MAX, Manifest,
        manifest::{extract, split},
    },
    model::hex::hex,
};

/// What stands before a reference where a file could stand as well.
pub const SCHEME: &str = "oci://";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.wasm.config.v0+json";
const LAYER: &str = "application/wasm";
const OCTETS: &str = "application/octet-stream";

/// How the registry is reached.
#[derive(clap::Args, Debug)]
pub struct Reach {
    /// Without TLS: for a registry on this machine
    #[arg(long)]
    plain_http: bool,
    /// The authority that signed the registry's certificate, PEM, instead of the public ones
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

/// What is pushed, and where to.
#[derive(clap::Args, Debug)]
pub struct Push {
    /// The component
    file: PathBuf,
    /// Where to: registry.example/acme/square:0.1.0
    reference: String,
    #[command(flatten)]
    reach: Reach,
}

/// What is pulled.
#[derive(clap::Args, Debug)]
pub struct Pull {
    /// What: registry.example/acme/square:0.1.0, or @sha256:… in place of the tag
    reference: String,
    /// The file to write; without it NAME.wasm
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    reach: Reach,
}

/// A component that was pulled.
pub struct Pulled {
    /// Its bytes.
    pub component: Vec<u8>,
    /// Where exactly it lies, by the digest of the manifest.
    pub pinned: String,
}

fn open(reference: &str, reach: &Reach) -> Result<(Reference, Registry), Failure> {
    let reference = Reference::parse(reference).map_err(Failure::Usage)?;
    let login = login::find(&reference.registry)?;
    let registry = Registry::new(&reference, reach.plain_http, reach.ca.as_deref(), login)?;
    Ok((reference, registry))
}

/// Puts a component into a registry.
///
/// # Errors
/// It is no component with a manifest, or the registry does not take it.
pub async fn push(args: &Push) -> Result<Report, Failure> {
    let (reference, mut registry) = open(&args.reference, &args.reach)?;
    let Some(tag) = reference.tag.clone().filter(|_| reference.digest.is_none()) else {
        return Err(Failure::Usage("push to a tag: registry.example/acme/square:0.1.0".into()));
    };
    let component = read(&args.file)?;
    let told = |error: &dyn std::fmt::Display| Failure::file(&args.file, &format!("{error}; nothing was pushed"));
    let content = split(&component).map_err(|error| told(&error))?.content;
    let section = extract(content).map_err(|error| told(&error))?;
    let section = section.ok_or_else(|| told(&"it carries no manifest; build it with `pressgate plugin build`"))?;
    let manifest = Manifest::from_json(section).map_err(|error| told(&error))?;
    let layer = Bytes::from(component);
    let (config, document) = documents(&manifest, &layer);
    for blob in [&layer, &config] {
        upload(&mut registry, blob).await?;
    }
    let answer =
        registry.ask(Method::PUT, &format!("manifests/{tag}"), "*/*", Some((MANIFEST, document.clone()))).await?;
    if answer.status != StatusCode::CREATED {
        return Err(answer.refused(&format!("`{tag}`")));
    }
    let digest = digest_of(&document);
    if answer.digest.as_ref().is_some_and(|told| *told != digest) {
        return Err(Failure::refused("the registry keeps another manifest than was sent; don't use what is there"));
    }
    let pinned = reference.pinned(&digest);
    let text = format!("pushed {} {}\n  to       {reference}\n  pinned   {pinned}", manifest.name, manifest.version);
    Ok(Report::good(
        text,
        json!({ "reference": reference.to_string(), "pinned": pinned, "component": digest_of(&layer) }),
    ))
}

/// The configuration and the manifest; the same for the same component.
fn documents(manifest: &Manifest, layer: &[u8]) -> (Bytes, Bytes) {
    let config = json!({ "architecture": "wasm", "os": "wasip2", "layerDigests": [digest_of(layer)] });
    let config = Bytes::from(config.to_string());
    let document = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": { "mediaType": CONFIG, "digest": digest_of(&config), "size": config.len() },
        "layers": [{ "mediaType": LAYER, "digest": digest_of(layer), "size": layer.len() }],
        "annotations": {
            "org.opencontainers.image.title": manifest.name.as_str(),
            "org.opencontainers.image.version": manifest.version,
        },
    });
    (config, Bytes::from(document.to_string()))
}

async fn upload(registry: &mut Registry, blob: &Bytes) -> Result<(), Failure> {
    let digest = digest_of(blob);
    if registry.ask(Method::HEAD, &format!("blobs/{digest}"), "*/*", None).await?.status == StatusCode::OK {
        return Ok(());
    }
    let begun = registry.ask(Method::POST, "blobs/uploads/", "*/*", Some((OCTETS, Bytes::new()))).await?;
    let location = match (&begun.location, begun.status) {
        (Some(location), StatusCode::ACCEPTED) => location.clone(),
        _ => return Err(begun.refused("an upload")),
    };
    let done = registry.ask_where_led(Method::PUT, &location, &digest, Some((OCTETS, blob.clone()))).await?;
    if done.status == StatusCode::CREATED { Ok(()) } else { Err(done.refused("an upload")) }
}

/// Takes a component from a registry.
///
/// # Errors
/// It is not there, is no component, or is not what its digests say.
pub async fn pull(reference: &str, reach: &Reach) -> Result<Pulled, Failure> {
    let (reference, mut registry) = open(reference, reach)?;
    let answer = registry.ask(Method::GET, &format!("manifests/{}", reference.name()), MANIFEST, None).await?;
    if answer.status != StatusCode::OK {
        return Err(answer.refused(&format!("`{reference}`")));
    }
    let digest = digest_of(&answer.body);
    if reference.digest.as_ref().is_some_and(|wanted| *wanted != digest) {
        return Err(Failure::refused(format!("{reference}: the registry answers with another manifest, {digest}")));
    }
    let (layer, size) = layer_of(&answer).map_err(|why| Failure::refused(format!("{reference}: {why}")))?;
    let blob = registry.blob(&layer, size).await?;
    if blob.status != StatusCode::OK {
        return Err(blob.refused("the component"));
    }
    if blob.body.len() != size || digest_of(&blob.body) != layer {
        return Err(Failure::refused(format!("{reference}: what the registry keeps is not what its digest says")));
    }
    Ok(Pulled { component: blob.body.to_vec(), pinned: reference.pinned(&digest) })
}

/// Digest and length of the one component in a manifest.
fn layer_of(answer: &Answer) -> Result<(String, usize), String> {
    let manifest: Value = serde_json::from_slice(&answer.body).map_err(|_| "its manifest is no JSON")?;
    let layers = manifest
        .get("layers")
        .and_then(Value::as_array)
        .ok_or("it is no artifact of one component (its manifest has no layers)")?;
    let [layer] = layers.as_slice() else { return Err("it has several layers; a component is one".to_owned()) };
    let kind = layer.get("mediaType").and_then(Value::as_str).unwrap_or_default();
    if kind != LAYER {
        return Err(format!("its layer is no component: the media type is `{}`", kind.escape_debug()));
    }
    let digest = layer
        .get("digest")
        .and_then(Value::as_str)
        .filter(|digest| is_digest(digest))
        .ok_or("its layer has no SHA-256")?;
    let size = layer
        .get("size")
        .and_then(Value::as_u64)
        .and_then(|size| usize::try_from(size).ok())
        .ok_or("its layer has no length")?;
    if size > COMPONENT_BYTES_MAX {
        return Err(format!("it has {size} bytes; a component has at most {COMPONENT_BYTES_MAX}"));
    }
    Ok((digest.to_owned(), size))
}

/// Writes a component from a registry into a file.
///
/// # Errors
/// As [`pull`]; or the file can't be written, or is there.
pub async fn save(args: &Pull) -> Result<Report, Failure> {
    let pulled = pull(&args.reference, &args.reach).await?;
    let name = manifest_of(&pulled.component).map(|manifest| format!("{}.wasm", manifest.name));
    let file = match (&args.out, name) {
        (Some(file), _) => file.clone(),
        (None, Some(name)) => PathBuf::from(name),
        (None, None) => return Err(Failure::Usage("it carries no manifest; say --out FILE".into())),
    };
    write(&file, &pulled.component)?;
    let digest = digest_of(&pulled.component);
    let text = format!(
        "{}\n  from     {}\n  sha256   {}",
        file.display(),
        pulled.pinned,
        digest.trim_start_matches("sha256:")
    );
    Ok(Report::good(text, json!({ "path": file, "pinned": pulled.pinned, "component": digest })))
}

fn manifest_of(component: &[u8]) -> Option<Manifest> {
    Manifest::from_json(extract(split(component).ok()?.content).ok()??).ok()
}

/// Whole or not at all; what is there stays.
fn write(file: &Path, component: &[u8]) -> Result<(), Failure> {
    let told = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Failure::file(file, &"it is there already; give another name by --out"),
        _ => Failure::file(file, &error),
    };
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let part = folder
        .join(format!(".{}.part", BASE64_URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, component).as_ref())));
    std::fs::write(&part, component).map_err(told)?;
    let kept = std::fs::hard_link(&part, file);
    let _ = std::fs::remove_file(&part);
    kept.map_err(told)
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let size = std::fs::metadata(file).map_err(|error| Failure::file(file, &error))?.len();
    if size > COMPONENT_BYTES_MAX as u64 {
        return Err(Failure::file(
            file,
            &format!("it has {size} bytes; a component has at most {COMPONENT_BYTES_MAX}"),
        ));
    }
    std::fs::read(file).map_err(|error| Failure::file(file, &error))
}

fn digest_of(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(digest::digest(&digest::SHA256, bytes).as_ref()))
}

//! `pressgate plugin key|sign|verify`: works on files, and needs no gateway.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use pressgate_audit::note::{Algorithm, Signer, Verifier};
use serde_json::json;

use super::{
    context::{Context, private_text},
    key::Place,
    outcome::{Failure, Report},
};
use crate::{
    host::{COMPONENT_BYTES_MAX, Manifest, manifest::extract},
    trust::{self, Trust, Worth},
};

/// `plugin key`.
#[derive(Debug, clap::Args)]
pub struct Key {
    /// Whose key it is, as lists and the log will name it: letters, digits, `-`, `.`, `_` and `/`.
    #[arg(long, default_value = "plugins")]
    name: String,
    /// The new file of the secret part, mode 0600. It is never overwritten.
    #[arg(long, value_name = "FILE", default_value = "plugins.key")]
    out: PathBuf,
}

/// `plugin sign`.
#[derive(Debug, clap::Args)]
pub struct Sign {
    /// The component, as `pressgate plugin build` wrote it.
    file: PathBuf,
    /// The file that `pressgate plugin key` made.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
}

/// `plugin verify`.
#[derive(Debug, clap::Args)]
pub struct Verify {
    /// The component.
    file: PathBuf,
    /// A public key to trust, again for each; without one, those of the configuration. Revoked keys of the configuration stay so.
    #[arg(long, value_name = "PUBLIC KEY")]
    trusted: Vec<String>,
}

/// Makes a key.
pub fn key(args: &Key) -> Result<Report, Failure> {
    let plain = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '.' | '_' | '/');
    if args.name.len() > 60 || !args.name.chars().all(plain) {
        return Err(Failure::Usage("--name: at most 60 letters, digits, `-`, `.`, `_` and `/`".into()));
    }
    let signer = Signer::generate(&args.name, Algorithm::Ed25519);
    let signer = signer.map_err(|error| Failure::refused(format!("--name: {error}")))?;
    let file = Place::reserve(args.out.clone())?.keep(&signer.secret_text())?;
    let key = signer.verifier().to_string();
    let text = format!(
        "{key}\n\nThis is the public key; the secret part is in {}. In pressgate.toml of each gateway:\n\n[plugins]\ntrusted_keys = [\"{key}\"]",
        file.display()
    );
    Ok(Report::good(text, json!({ "key": key, "name": args.name, "key_file": file })))
}

/// Signs a component in place.
pub fn sign(args: &Sign) -> Result<Report, Failure> {
    let text = private_text(&args.key)?;
    let signer = Signer::parse(&text).map_err(|error| Failure::file(&args.key, &error))?;
    if signer.verifier().algorithm() != Algorithm::Ed25519 {
        return Err(Failure::file(&args.key, &"it is the key of a witness; make one with `pressgate plugin key`"));
    }
    let component = read(&args.file)?;
    let refused = |error: &dyn std::fmt::Display| Failure::file(&args.file, &format!("{error}; nothing was signed"));
    let signed = trust::sign(&component, &signer).map_err(|error| refused(&error))?;
    let section = extract(&component).map_err(|error| refused(&error))?;
    let section = section.ok_or_else(|| refused(&"it carries no manifest; build it with `pressgate plugin build`"))?;
    let manifest = Manifest::from_json(section).map_err(|error| refused(&error))?;
    if signed.len() > COMPONENT_BYTES_MAX {
        return Err(refused(&format!("with the signature it is longer than {COMPONENT_BYTES_MAX} bytes")));
    }
    replace(&args.file, &signed)?;
    let (key, digest) = (signer.verifier().label(), crate::releases::store::digest_of(&signed));
    let text = format!("signed {} {}\n  by      {key}\n  sha256  {digest}", manifest.name, manifest.version);
    let json =
        json!({ "name": manifest.name, "version": manifest.version, "key": key, "path": args.file, "digest": digest });
    Ok(Report::good(text, json))
}

/// Tells whose signatures are good.
pub fn verify(context: &Context, args: &Verify) -> Result<Report, Failure> {
    let configured = Trust::new(&context.config.plugins).strict();
    let trust = if args.trusted.is_empty() {
        configured
    } else {
        let keys = args.trusted.iter().map(|key| match Verifier::parse(key) {
            Ok(key) if key.algorithm() == Algorithm::Ed25519 => Ok(key),
            Ok(_) => Err(Failure::Usage("--trusted: this is the key of a witness".into())),
            Err(error) => Err(Failure::Usage(format!("--trusted: {error}"))),
        });
        configured.only(keys.collect::<Result<_, _>>()?)
    };
    let component = read(&args.file)?;
    let seen = trust.look(&component).unwrap_or_default();
    let word = |worth: &Worth| match worth {
        Worth::Trusted => "good, and trusted".to_owned(),
        Worth::Restricted(only) => {
            let names = only.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            format!("good, and trusted for {names} only")
        }
        Worth::Revoked => "good, and REVOKED".to_owned(),
        Worth::Wrong => "WRONG".to_owned(),
        Worth::Unknown => "not known here, so not checked".to_owned(),
    };
    let mut lines: Vec<String> = seen.iter().map(|seen| format!("  {}  {}", seen.key, word(&seen.worth))).collect();
    let entries: Vec<_> = seen.iter().map(|seen| json!({ "key": seen.key, "worth": word(&seen.worth) })).collect();
    let shown = args.file.display();
    match trust.judge(&component) {
        Ok(standing) => {
            lines.insert(0, format!("{shown}: {standing}"));
            let json = json!({ "holds": true, "signed_by": standing.signers(), "signatures": entries });
            Ok(Report::good(lines.join("\n"), json))
        }
        Err(error) => {
            lines.insert(0, format!("{shown}: {error}"));
            let json = json!({ "holds": false, "why": error.to_string(), "signatures": entries });
            Ok(Report::bad(lines.join("\n"), json))
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error: std::io::Error| Failure::file(path, &error);
    let facts = fs::metadata(path).map_err(failed)?;
    if !facts.is_file() || facts.len() > COMPONENT_BYTES_MAX as u64 {
        return Err(Failure::file(path, &format!("it is no file of at most {COMPONENT_BYTES_MAX} bytes")));
    }
    fs::read(path).map_err(failed)
}

/// The new content, or after a crash the old one. The file keeps who may read it.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::file(path, &error);
    let mode = fs::metadata(path).map_err(failed)?.permissions().mode();
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}.part", std::process::id()));
    let draft = PathBuf::from(draft);
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(bytes)?;
        file.set_permissions(fs::Permissions::from_mode(mode & 0o777))?;
        file.sync_all()?;
        fs::rename(&draft, path)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    };
    write().inspect_err(|_| drop(fs::remove_file(&draft))).map_err(failed)
}

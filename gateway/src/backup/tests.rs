//! Manifests: what no backup has is refused before anything is read by it.

use proptest::prelude::*;

use super::*;
use crate::model::hex::hex;

fn manifest() -> Manifest {
    let now = jiff::Timestamp::UNIX_EPOCH;
    let mut manifest = Manifest::begin(backup_id(now), "node-1".into(), now);
    manifest.files = ["media/media_1", "records"]
        .map(|path| FileEntry { path: path.into(), bytes: 1, sha256: hex(&[7; 32]) })
        .to_vec();
    manifest
}

fn read(manifest: &Manifest) -> Result<Manifest, BackupError> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(MANIFEST), serde_json::to_vec(manifest).unwrap()).unwrap();
    Manifest::read(folder.path())
}

#[test]
fn a_manifest_goes_there_and_back_and_a_later_one_is_refused() {
    let whole = manifest();
    assert_eq!(read(&whole).unwrap(), whole);
    let later = Manifest { version: 2, ..whole.clone() };
    assert!(read(&later).unwrap_err().to_string().contains("version 1"));
    let other = Manifest { id: "backup_../../etc".into(), ..whole.clone() };
    assert!(matches!(read(&other), Err(BackupError::Broken(_))));
    let folder = tempfile::tempdir().unwrap();
    let none = Manifest::read(folder.path()).unwrap_err();
    assert!(matches!(&none, BackupError::Refused(text) if text.contains("broken off")), "{none}");
    std::fs::write(folder.path().join(MANIFEST), b"{").unwrap();
    assert!(matches!(Manifest::read(folder.path()), Err(BackupError::Broken(_))));
}

#[test]
fn the_digest_is_of_every_file_and_of_the_id() {
    let whole = manifest();
    let mut others = vec![Manifest { id: backup_id(jiff::Timestamp::UNIX_EPOCH), ..whole.clone() }];
    for change in [0, 1, 2] {
        let mut other = whole.clone();
        match change {
            0 => other.files[0].bytes += 1,
            1 => other.files[0].sha256 = hex(&[8; 32]),
            _ => drop(other.files.pop()),
        }
        others.push(other);
    }
    assert!(others.iter().all(|other| other.digest() != whole.digest()));
    assert!(whole.file("records").is_some() && whole.file("subject-keys.sqlite").is_none() && !whole.has_keys());
}

#[test]
fn ids_are_told_from_other_texts() {
    let now = jiff::Timestamp::UNIX_EPOCH;
    assert!(is_backup_id(&backup_id(now)) && backup_id(now) != backup_id(now));
    for bad in ["", "backup_", "backup_12", "backup_0000000000000000000000000000000G", "x"] {
        assert!(!is_backup_id(bad), "{bad}");
    }
}

#[test]
fn what_lies_in_the_data_folder_moves_with_it() {
    let text = "data = \"a\"\n[audit]\nsecond_checkpoint = \"/elsewhere/checkpoint\"\n";
    let config = crate::config::Config::parse(text, "p.toml", Path::new("/x")).unwrap();
    let moved = relocated(&config, Path::new("/y"));
    assert_eq!(moved.audit.dir, Path::new("/y/audit"));
    assert_eq!(moved.audit.signing_key, Path::new("/y/audit-key"));
    assert_eq!(moved.audit.second_checkpoint, Path::new("/elsewhere/checkpoint"));
    assert_eq!(moved.records_dir(), Path::new("/y/records"));
}

proptest! {
    #[test]
    fn no_path_leads_out_of_the_backup(path in "[a-z./\\\\]{1,30}") {
        let mut manifest = manifest();
        manifest.files[0].path = path.clone();
        manifest.files.sort();
        let sound = read(&manifest).is_ok();
        let leads_away = path.contains("..") || path.starts_with('/') || path.contains('\\') || path.matches('/').count() > 1;
        prop_assert!(!sound || !leads_away || !path.split('/').any(|name| name.starts_with('.')), "{path}");
        prop_assert!(!sound || ["media/", "export/", "keys/", "subject-keys.sqlite"].iter().any(|start| path.starts_with(start)), "{path}");
    }
}

//! Operations on the stores of a data folder, without a gateway.

use std::{collections::BTreeMap, ops::ControlFlow, path::Path, sync::Arc};

use jiff::{SignedDuration, Timestamp};

use super::{
    credentials::Wants,
    standing::{PRINCIPALS, standing},
    wire::{KeyRequest, KeyState},
    *,
};
use crate::{
    audit::{Event, Fault, FaultyDisk, leaf},
    clock::{Clock, ManualClock},
    config::{Config, Governance, PluginInfo},
    keys::KeyRefused,
    model::{KeyId, PluginName},
    plugins::Shelf,
    start::{Parts, Stores, open_stores},
    vault::{SecretString, create_kek_file},
};

const PEOPLE: &str = "[[person]]\nid = \"ops-1\"\nroles = [\"operator\"]\n[[person]]\nid = \"editor-7\"\n";
const APPS: &str = "[[app]]\nid = \"newsroom\"\nowner = \"ops-1\"\n";

struct Bench {
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
    disk: FaultyDisk,
    stores: Stores,
}

impl Bench {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("data")).unwrap();
        std::fs::create_dir_all(folder.path().join("governance")).unwrap();
        std::fs::write(folder.path().join("governance/people.toml"), PEOPLE).unwrap();
        std::fs::write(folder.path().join("governance/apps.toml"), APPS).unwrap();
        create_kek_file(&folder.path().join("data/kek")).unwrap();
        let clock = Arc::new(ManualClock::at("2026-11-20T10:00:00Z".parse().unwrap()));
        let disk = FaultyDisk::new();
        let parts = Parts { config: config(folder.path()), clock: clock.clone(), disk: Arc::new(disk.clone()) };
        let stores = open_stores(&parts).await.unwrap();
        Self { folder, clock, disk, stores }
    }

    fn ops(&self) -> Ops<'_> {
        Ops::offline(&self.stores, self.clock.as_ref())
    }

    fn config(&self) -> Config {
        config(self.folder.path())
    }

    async fn governance(&self) -> Governance {
        let none: BTreeMap<PluginName, PluginInfo> = BTreeMap::new();
        standing(&self.config(), self.stores.records.as_ref(), &none, PRINCIPALS).await.unwrap()
    }

    fn changes(&self) -> Vec<leaf::Change> {
        let mut changes = Vec::new();
        let mut visit = |_, leaf: crate::audit::Leaf| {
            if let Event::Change(change) = leaf.event {
                changes.push(change);
            }
            ControlFlow::Continue(())
        };
        self.stores.audit.replay(0, &mut visit).unwrap();
        changes
    }

    fn story(&self) -> Vec<String> {
        self.changes().into_iter().map(|change| format!("{} {} {}", change.action, change.subject, change.by)).collect()
    }
}

fn config(folder: &Path) -> Config {
    Config::parse("[audit]\nsegment_bytes = 1048576\n", "pressgate.toml", folder).unwrap()
}

fn for_app(app: &str) -> KeyRequest {
    KeyRequest { app: Some(app.to_owned()), ..KeyRequest::default() }
}

#[tokio::test]
async fn a_key_opens_until_it_is_revoked_and_both_are_logged() {
    let bench = Bench::new().await;
    let (ops, governance) = (bench.ops(), bench.governance().await);
    let made = ops.create_key(&By::Local, &governance, for_app("newsroom")).await.unwrap();
    assert!(bench.stores.keys.verify(&made.key, bench.clock.now()).is_ok());
    let by = By::Person(crate::model::PersonId::new("ops-1"));
    ops.revoke_key(&by, &KeyId::new(made.info.id.clone())).await.unwrap();
    assert_eq!(bench.stores.keys.verify(&made.key, bench.clock.now()).unwrap_err(), KeyRefused::Revoked);
    let again = ops.revoke_key(&by, &KeyId::new(made.info.id.clone())).await;
    assert!(matches!(again, Err(OpsError::Invalid(_))), "{again:?}");
    let id = &made.info.id;
    let told = [format!("create app:newsroom/{id} local"), format!("revoke app:newsroom/{id} ops-1")];
    assert_eq!(bench.story(), told);
    let secret = made.key.split('_').nth(2).unwrap();
    assert!(!format!("{:?}", bench.changes()).contains(secret));
}

#[tokio::test]
async fn wishes_that_can_not_be_leave_no_trace() {
    let bench = Bench::new().await;
    let (ops, governance) = (bench.ops(), bench.governance().await);
    let past: Timestamp = "2026-11-20T09:59:59Z".parse().unwrap();
    let both = KeyRequest { person: Some("ops-1".into()), ..for_app("newsroom") };
    let late = KeyRequest { expires_at: Some(past), ..for_app("newsroom") };
    let note = |note: String| KeyRequest { note: Some(note), ..for_app("newsroom") };
    let wishes =
        [for_app("other"), KeyRequest::default(), both, late, note("x".repeat(201)), note("a\u{1b}[2J".into())];
    for wish in wishes {
        let shown = format!("{wish:?}");
        assert!(ops.create_key(&By::Local, &governance, wish).await.is_err(), "{shown}");
    }
    assert!(matches!(ops.revoke_key(&By::Local, &KeyId::new("none")).await, Err(OpsError::Missing(_))));
    assert!(bench.story().is_empty() && ops.list_keys().await.unwrap().is_empty());
}

#[tokio::test]
async fn the_list_tells_expired_from_live() {
    let bench = Bench::new().await;
    let governance = bench.governance().await;
    let end = bench.clock.now() + SignedDuration::from_secs(60);
    let wish = KeyRequest { person: Some("editor-7".into()), expires_at: Some(end), ..KeyRequest::default() };
    bench.ops().create_key(&By::Local, &governance, wish).await.unwrap();
    assert_eq!(bench.ops().list_keys().await.unwrap()[0].state, KeyState::Live);
    bench.clock.advance(SignedDuration::from_secs(60));
    assert_eq!(bench.ops().list_keys().await.unwrap()[0].state, KeyState::Expired);
}

#[tokio::test]
async fn nothing_is_changed_while_the_log_can_not_be_written() {
    let bench = Bench::new().await;
    let (ops, governance) = (bench.ops(), bench.governance().await);
    let made = ops.create_key(&By::Local, &governance, for_app("newsroom")).await.unwrap();
    bench.disk.set(Fault::Full);
    let refused = ops.create_key(&By::Local, &governance, for_app("newsroom")).await;
    assert!(matches!(refused, Err(OpsError::Audit(_))));
    let refused = ops.revoke_key(&By::Local, &KeyId::new(made.info.id)).await;
    assert!(matches!(refused, Err(OpsError::Audit(_))));
    assert_eq!(ops.list_keys().await.unwrap().len(), 1);
    assert!(bench.stores.keys.verify(&made.key, bench.clock.now()).is_ok());
}

#[tokio::test]
async fn a_change_that_fails_after_its_leaf_says_so() {
    let bench = Bench::new().await;
    let change = ops::leaf_of(leaf::Changed::Setting, "set", "x".into(), None, &By::Local);
    let failed = bench.ops().change(change, async { Err::<(), _>(OpsError::Internal("no".into())) }).await;
    assert!(failed.is_err());
    assert_eq!(bench.story(), ["set x local", "set-failed x local"]);
}

#[tokio::test]
async fn credentials_of_unknown_accounts_are_refused_and_old_ones_can_be_deleted() {
    let bench = Bench::new().await;
    let (ops, governance, shelf) = (bench.ops(), bench.governance().await, Shelf::default());
    let wants = Wants { governance: &governance, shelf: &shelf };
    let secrets = || BTreeMap::from([("token".to_owned(), SecretString::from("canary"))]);
    let unknown = ops.set_credential(&By::Local, wants, "acme", "app", secrets()).await;
    assert!(matches!(unknown, Err(OpsError::Missing(_))), "{unknown:?}");
    assert!(bench.story().is_empty());
    // One that was set while the account was there.
    let account = crate::model::AccountId::new("acme");
    let origins = crate::vault::Origins::new(&"https://social.example".parse().unwrap(), []);
    bench.stores.vault.set_credential(&account, "app", &origins, secrets()).await.unwrap();
    let listed = ops.list_credentials(wants).await.unwrap();
    assert!(listed.len() == 1 && !listed[0].wanted && listed[0].secrets == ["token"], "{listed:?}");
    ops.revoke_credential(&By::Local, "acme", "app", async {}).await.unwrap();
    assert!(matches!(ops.revoke_credential(&By::Local, "acme", "app", async {}).await, Err(OpsError::Missing(_))));
    assert_eq!(bench.story(), ["revoke acme/app local"]);
}

#[tokio::test]
async fn an_apply_without_a_gateway_is_what_the_next_start_uses() {
    let bench = Bench::new().await;
    let (config, shelf) = (bench.config(), Shelf::default());
    let clock: Arc<dyn Clock> = bench.clock.clone();
    let read = || apply::Offline::read(&bench.stores, &config, &shelf, clock.as_ref());
    let first = read().await.unwrap();
    assert_eq!((first.diff.applied.clone(), first.diff.changes.len()), (None, 3));
    let applied = first.apply(&bench.stores, &config, &shelf, &clock, false).await.unwrap();
    let apps = bench.folder.path().join("governance/apps.toml");
    std::fs::write(&apps, format!("{APPS}[[app]]\nid = \"careers\"\nowner = \"ops-1\"\n")).unwrap();
    assert!(!bench.governance().await.apps.contains_key("careers"), "an edit counts when it is applied");
    let second = read().await.unwrap();
    assert_eq!(second.diff.applied.as_ref(), Some(&applied.digest));
    assert_eq!(second.diff.changes.iter().map(|change| change.id.as_str()).collect::<Vec<_>>(), ["careers"]);
    second.apply(&bench.stores, &config, &shelf, &clock, false).await.unwrap();
    assert!(bench.governance().await.apps.contains_key("careers"));
    let changes = bench.changes();
    assert_eq!(changes.len(), 2);
    assert_eq!(changes[0].digest.as_ref(), Some(&applied.digest));
    std::fs::write(&apps, "[[app]]\nid = \"x\"\n").unwrap();
    let faults = read().await.map(|_| ()).unwrap_err();
    assert!(matches!(&faults, OpsError::Governance(faults) if faults[0].file == "apps.toml"), "{faults:?}");
    assert_eq!(bench.changes().len(), 2);
}

#[tokio::test]
async fn an_apply_without_a_gateway_is_as_careful() {
    let bench = Bench::new().await;
    let (config, shelf) = (bench.config(), Shelf::default());
    let clock: Arc<dyn Clock> = bench.clock.clone();
    let read = || apply::Offline::read(&bench.stores, &config, &shelf, clock.as_ref());
    let put = |name: &str, text: &str| std::fs::write(bench.folder.path().join("governance").join(name), text).unwrap();
    // A key from before anything was applied lives on.
    let wish = KeyRequest { person: Some("editor-7".into()), ..KeyRequest::default() };
    let made = bench.ops().create_key(&By::Local, &bench.governance().await, wish).await.unwrap();
    read().await.unwrap().apply(&bench.stores, &config, &shelf, &clock, false).await.unwrap();
    assert!(bench.stores.keys.verify(&made.key, bench.clock.now()).is_ok());
    put("apps.toml", " \n");
    let offline = read().await.unwrap();
    assert_eq!(offline.diff.removals, ["apps.toml is empty, and what is applied has it with content"]);
    let refused = offline.apply(&bench.stores, &config, &shelf, &clock, false).await;
    assert!(matches!(&refused, Err(OpsError::Invalid(why)) if why.contains("--allow-removal")), "{refused:?}");
    put("apps.toml", APPS);
    put("people.toml", &PEOPLE.replace("operator", "author"));
    let refused = read().await.unwrap().apply(&bench.stores, &config, &shelf, &clock, true).await;
    assert!(matches!(&refused, Err(OpsError::Invalid(why)) if why.contains("`operator`")), "{refused:?}");
    put("people.toml", "[[person]]\nid = \"ops-1\"\nroles = [\"operator\"]\n");
    let gone = read().await.unwrap();
    assert!(gone.diff.notes.iter().any(|note| note.contains(&made.info.id)), "{:?}", gone.diff.notes);
    gone.apply(&bench.stores, &config, &shelf, &clock, false).await.unwrap();
    assert_eq!(bench.stores.keys.verify(&made.key, bench.clock.now()).unwrap_err(), KeyRefused::Revoked);
    assert!(bench.story().contains(&format!("revoke person:editor-7/{} local", made.info.id)), "{:?}", bench.story());
}

//! Accounts, drafts and hosts that tests start from.

use std::path::PathBuf;
use std::sync::Arc;

use pressgate::clock::SystemClock;
use pressgate::host::{Host, HostOptions, PerformCall, ReviewContext};
use pressgate::model::{Account, AccountId, Action, AppId, BrandPath, Draft, Part, PluginName};

/// A key for the compiled-code cache.
pub const CACHE_KEY: [u8; 32] = [7; 32];

/// A host for 200 instances.
///
/// # Panics
/// The machine lacks what the engine needs.
pub fn host(cache_dir: Option<PathBuf>) -> Arc<Host> {
    let options = HostOptions { cache_dir, cache_key: CACHE_KEY, instances_max: 200, compiler: None };
    Host::new(options, Arc::new(SystemClock)).expect("the host starts")
}

/// The account `acme-sample` of the brand `acme/snacks`.
///
/// # Panics
/// Never: the address is valid.
pub fn account() -> Arc<Account> {
    Arc::new(Account {
        id: AccountId::new("acme-sample"),
        network: "sample".into(),
        adapter: PluginName::new("sample"),
        endpoint: url::Url::parse("https://social.example").expect("a valid address"),
        private_endpoint: false,
        brand: BrandPath::new("acme/snacks"),
        handle: None,
        native_hold: pressgate::model::NativeHold::Refuse,
    })
}

/// A new post with one entry for each text.
pub fn draft(texts: &[&str]) -> Draft {
    Draft {
        action: Action::POST_CREATE,
        parts: texts.iter().map(|text| Part { text: (*text).to_owned(), media: vec![] }).collect(),
        language: Some("en".into()),
        target: None,
        options: serde_json::Map::new(),
        labels: vec!["launch".into()],
        campaign: Some("spring".into()),
    }
}

/// The app `newsroom` asks.
pub fn context() -> ReviewContext {
    ReviewContext {
        account: account(),
        languages: vec!["en".into(), "cs".into()],
        app: Some(AppId::new("newsroom")),
        person: None,
    }
}

/// The first attempt on a target.
///
/// # Panics
/// Never: the time is valid.
pub fn call(texts: &[&str]) -> PerformCall {
    PerformCall {
        key: [1; 32],
        created_at: jiff::Timestamp::from_millisecond(1_800_000_000_123).expect("a valid time"),
        attempt: 1,
        account: account(),
        draft: draft(texts),
        facts: None,
        answered: Vec::new(),
        note: vec![],
    }
}

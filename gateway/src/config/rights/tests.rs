//! Tests of the rights: a table, and a comparison with a naive re-statement of the rules.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{
    config::{Files, PluginInfo, PluginKind},
    model::{AccountId, AppId, BrandPath, PluginName, Scope},
};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn house(grants: &str) -> Governance {
    let account = |id: &str, brand: &str| {
        format!(
            "[[account]]\nid = \"{id}\"\nnetwork = \"n\"\nadapter = \"n\"\nendpoint = \"https://n.example\"\nbrand = \"{brand}\"\n"
        )
    };
    let files: Files = [
        (
            "brands.toml",
            "brand = [{id = \"acme\"}, {id = \"snacks\", parent = \"acme\"}, {id = \"bars\", parent = \"snacks\"}, \
             {id = \"drinks\", parent = \"acme\"}]"
                .to_owned(),
        ),
        ("people.toml", "person = [{id = \"ada\"}, {id = \"bob\"}, {id = \"ops\"}]".to_owned()),
        ("apps.toml", "app = [{id = \"cms\", owner = \"ops\"}, {id = \"crm\", owner = \"ops\"}]".to_owned()),
        (
            "accounts.toml",
            account("root", "acme")
                + &account("snacks", "acme/snacks")
                + &account("bars", "acme/snacks/bars")
                + &account("drinks", "acme/drinks"),
        ),
        ("grants.toml", grants.to_owned()),
    ]
    .map(|(name, text)| (name.to_owned(), text))
    .into();
    let info = PluginInfo { kind: PluginKind::Adapter, networks: vec!["n".to_owned()], config_schema: None };
    Governance::restart(&files, &BTreeMap::from([(PluginName::new("n"), info)])).unwrap()
}

const GRANTS: &str = r#"
grant = [
    { id = "cms-snacks", app = "cms", brand = "acme/snacks", actions = ["post.create", "post.read"], act_for = ["ada", "bob"], owner = "ops", expires = "2030-01-01T00:00:00Z" },
    { id = "cms-drinks-old", app = "cms", account = "drinks", actions = ["post.create"], owner = "ops", expires = "2026-01-01T00:00:00Z" },
    { id = "crm-root", app = "crm", account = "root", actions = ["message.send"], owner = "ops", expires = "2030-01-01T00:00:00Z" },
    { id = "crm-bars-short", app = "crm", account = "bars", actions = ["post.read"], owner = "ops", expires = "2027-01-01T00:00:00Z" },
    { id = "crm-bars-long", app = "crm", account = "bars", actions = ["post.read"], owner = "ops", expires = "2028-01-01T00:00:00Z" },
    { id = "ada-acme", person = "ada", brand = "acme", actions = ["post.create"], owner = "ops", expires = "2029-01-01T00:00:00Z" },
    { id = "bob-old", person = "bob", account = "snacks", actions = ["post.create"], owner = "ops", expires = "2026-01-01T00:00:00Z" },
]
deny = [
    { id = "crisis", everyone = true, account = "bars", actions = ["post.create"], reason = "crisis" },
    { id = "no-cms-read", app = "cms", brand = "acme/snacks/bars", reason = "not by cms" },
    { id = "ada-off", person = "ada", brand = "acme/drinks", reason = "left the team" },
]
"#;

fn ask(house: &Governance, who: &str, for_whom: &str, account: &str, action: &str, now: &str) -> String {
    let principal = match who.split_once(':').unwrap() {
        ("app", id) => Principal::App(AppId::new(id)),
        (_, id) => Principal::Person(PersonId::new(id)),
    };
    let person = Some(for_whom).filter(|id| !id.is_empty()).map(PersonId::new);
    let account = &house.accounts[&AccountId::new(account)];
    let action = Action::parse(action).unwrap();
    match decide(house, &principal, person.as_ref(), account, action, at(now)) {
        Decision::Granted { grant, act_for_grant, expires } => {
            let other = act_for_grant.map(|grant| format!("+{}", grant.id)).unwrap_or_default();
            format!("{}{other} until {}", grant.id, expires.strftime("%Y"))
        }
        Decision::Refused { reason } => match reason {
            NoRight::Expired { grant } => format!("expired {grant}"),
            NoRight::Denied { deny, reason } => format!("denied {deny}: {reason}"),
            NoRight::MayNotActFor { person } => format!("not for {person}"),
            NoRight::PersonHasNoGrant { person } => format!("{person} has none"),
            NoRight::NoGrant => "no grant".to_owned(),
            NoRight::UnknownPerson => "unknown".to_owned(),
        },
    }
}

#[test]
fn the_table() {
    let house = house(GRANTS);
    let now = "2026-06-01T00:00:00Z";
    let table = [
        // A grant on a brand reaches the accounts below it, and neither those beside nor above.
        ("app:cms", "", "snacks", "post.create", now, "cms-snacks until 2030"),
        ("app:cms", "", "snacks", "post.read", now, "cms-snacks until 2030"),
        ("app:cms", "", "snacks", "post.delete", now, "no grant"),
        ("app:cms", "", "root", "post.create", now, "no grant"),
        ("person:ada", "", "bars", "post.read", now, "no grant"),
        ("person:ada", "", "snacks", "post.create", now, "ada-acme until 2029"),
        ("person:ada", "", "root", "post.create", now, "ada-acme until 2029"),
        // A grant on an account reaches that account.
        ("app:crm", "", "root", "message.send", now, "crm-root until 2030"),
        ("app:crm", "", "snacks", "message.send", now, "no grant"),
        // Of two, the one that lasts longest; at the instant of expiry it is over.
        ("app:crm", "", "bars", "post.read", now, "crm-bars-long until 2028"),
        ("app:crm", "", "bars", "post.read", "2027-12-31T23:59:59.999Z", "crm-bars-long until 2028"),
        ("app:crm", "", "bars", "post.read", "2028-01-01T00:00:00Z", "expired crm-bars-long"),
        ("app:cms", "", "drinks", "post.create", now, "expired cms-drinks-old"),
        ("app:cms", "", "drinks", "post.create", "2025-12-31T23:59:59Z", "cms-drinks-old until 2026"),
        // Deny beats every grant: for everyone, for the app, for the person, inherited.
        ("app:cms", "", "bars", "post.create", now, "denied crisis: crisis"),
        ("app:cms", "", "bars", "post.read", now, "denied no-cms-read: not by cms"),
        ("person:ada", "", "bars", "post.create", now, "denied crisis: crisis"),
        ("person:ada", "", "drinks", "post.create", now, "denied ada-off: left the team"),
        ("app:crm", "ada", "drinks", "post.create", now, "denied ada-off: left the team"),
        // Acting for a person: both halves.
        ("app:cms", "ada", "snacks", "post.create", now, "cms-snacks+ada-acme until 2029"),
        ("app:cms", "ada", "snacks", "post.read", now, "ada has none"),
        ("app:cms", "ada", "snacks", "post.create", "2029-01-01T00:00:00Z", "expired ada-acme"),
        ("app:cms", "bob", "snacks", "post.create", now, "expired bob-old"),
        ("app:cms", "ops", "snacks", "post.create", now, "not for ops"),
        ("app:crm", "ada", "root", "message.send", now, "not for ada"),
        ("app:crm", "ada", "snacks", "post.create", now, "no grant"),
        ("app:cms", "nobody", "snacks", "post.create", now, "unknown"),
        // A person's key is for that person.
        ("person:ada", "ada", "snacks", "post.create", now, "ada-acme until 2029"),
        ("person:ada", "bob", "snacks", "post.create", now, "not for bob"),
        ("person:ops", "ada", "snacks", "post.create", now, "not for ada"),
        ("person:nobody", "", "snacks", "post.create", now, "unknown"),
        ("app:nobody", "", "snacks", "post.create", now, "no grant"),
    ];
    for (who, for_whom, account, action, now, expected) in table {
        let asked = format!("{who} for {for_whom:?} on {account} {action} at {now}");
        assert_eq!(ask(&house, who, for_whom, account, action, now), expected, "{asked}");
    }
}

#[test]
fn an_account_is_visible_where_something_may_be_done() {
    let house = house(GRANTS);
    let visible = |principal: Principal, person: Option<&str>, now: &str| -> Vec<String> {
        let person = person.map(PersonId::new);
        let accounts = house.accounts_visible(&principal, person.as_ref(), at(now));
        accounts.iter().map(|account| account.id.to_string()).collect()
    };
    let app = |id: &str| Principal::App(AppId::new(id));
    assert_eq!(visible(app("cms"), None, "2026-06-01T00:00:00Z"), ["snacks"]);
    assert_eq!(visible(app("cms"), None, "2025-06-01T00:00:00Z"), ["drinks", "snacks"]);
    assert_eq!(visible(app("crm"), None, "2026-06-01T00:00:00Z"), ["bars", "root"]);
    assert_eq!(visible(app("crm"), Some("ada"), "2026-06-01T00:00:00Z"), [""; 0]);
    assert_eq!(visible(app("cms"), Some("ada"), "2026-06-01T00:00:00Z"), ["snacks"]);
    let ada = Principal::Person(PersonId::new("ada"));
    assert_eq!(visible(ada, None, "2026-06-01T00:00:00Z"), ["root", "snacks"]);
}

/// The rules once more, as plainly as they can be said: what may be done, without the reasons.
fn naive(
    house: &Governance,
    who: &Principal,
    person: Option<&PersonId>,
    account: &Account,
    action: Action,
    now: Timestamp,
) -> bool {
    let reaches = |scope: &Scope| match scope {
        Scope::Account(id) => *id == account.id,
        Scope::Brand(brand) => {
            account.brand == *brand || account.brand.as_str().starts_with(&format!("{}/", brand.as_str()))
        }
    };
    let mut involved = vec![who.clone()];
    if let Some(person) = person {
        if !house.people.contains_key(person) {
            return false;
        }
        match who {
            Principal::Person(id) if id != person => return false,
            _ => involved.push(Principal::Person(person.clone())),
        }
    }
    if matches!(who, Principal::Person(id) if !house.people.contains_key(id)) {
        return false;
    }
    for deny in &house.denies {
        let means = match &deny.whom {
            Grantee::Everyone => true,
            Grantee::One(principal) => involved.contains(principal),
        };
        if means && reaches(&deny.scope) && (deny.actions.is_empty() || deny.actions.contains(&action)) {
            return false;
        }
    }
    involved.iter().all(|principal| {
        house.grants.iter().any(|grant| {
            let names = match (principal, person) {
                (Principal::App(_), Some(person)) => grant.act_for.contains(person),
                _ => true,
            };
            grant.holder == *principal
                && reaches(&grant.scope)
                && grant.actions.contains(&action)
                && grant.expires > now
                && names
        })
    })
}

fn principals() -> Vec<Principal> {
    let app = |id: &str| Principal::App(AppId::new(id));
    let person = |id: &str| Principal::Person(PersonId::new(id));
    vec![app("cms"), app("crm"), app("nobody"), person("ada"), person("bob"), person("nobody")]
}

fn scopes() -> Vec<Scope> {
    let brand = |path: &str| Scope::Brand(BrandPath::new(path));
    let account = |id: &str| Scope::Account(AccountId::new(id));
    vec![brand("acme"), brand("acme/snacks"), brand("acme/drinks"), account("bars"), account("snacks"), account("root")]
}

fn actions() -> Vec<Action> {
    vec![Action::POST_CREATE, Action::POST_READ, Action::POST_DELETE]
}

fn year(year: i64) -> Timestamp {
    Timestamp::from_second(year * 1_000).unwrap()
}

prop_compose! {
    fn any_grant()(
        holder in prop::sample::select(principals()),
        scope in prop::sample::select(scopes()),
        actions in prop::collection::btree_set(prop::sample::select(actions()), 1..3),
        act_for in prop::collection::btree_set(prop::sample::select(vec!["ada", "bob"]).prop_map(PersonId::new), 0..3),
        expires in 0..5_i64,
        id in "[a-z]{6}",
    ) -> Arc<Grant> {
        let (id, owner) = (GrantId::new(id), PersonId::new("ops"));
        Arc::new(Grant { id, holder, scope, actions, act_for, training: BTreeSet::new(), guidelines: BTreeSet::new(), owner, expires: year(expires) })
    }
}

prop_compose! {
    fn any_deny()(
        whom in prop::option::of(prop::sample::select(principals())),
        scope in prop::sample::select(scopes()),
        actions in prop::collection::btree_set(prop::sample::select(actions()), 0..3),
        id in "[a-z]{6}",
    ) -> Deny {
        let whom = whom.map_or(Grantee::Everyone, Grantee::One);
        Deny { id: GrantId::new(id), whom, scope, actions, reason: "no".to_owned() }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn decisions_agree_with_the_naive_rules(
        grants in prop::collection::vec(any_grant(), 0..16),
        denies in prop::collection::vec(any_deny(), 0..3),
    ) {
        let mut house = house("");
        house.index = Index::new(&grants, &denies);
        (house.grants, house.denies) = (grants, denies);
        let persons = [None, Some(PersonId::new("ada")), Some(PersonId::new("bob")), Some(PersonId::new("nobody"))];
        for who in principals() {
            for person in &persons {
                for now in (0..6).map(year) {
                    let mut visible = Vec::new();
                    for account in house.accounts.values() {
                        for action in actions() {
                            let expected = naive(&house, &who, person.as_ref(), account, action, now);
                            let decision = decide(&house, &who, person.as_ref(), account, action, now);
                            let granted = matches!(decision, Decision::Granted { .. });
                            prop_assert_eq!(granted, expected, "{} for {:?}: {:?}", who, person, decision);
                            if let Decision::Granted { expires, .. } = decision {
                                prop_assert!(expires > now);
                                // The answer holds until that instant and not from it on, unless another grant takes over.
                                let after = decide(&house, &who, person.as_ref(), account, action, expires);
                                let again = naive(&house, &who, person.as_ref(), account, action, expires);
                                prop_assert_eq!(matches!(after, Decision::Granted { .. }), again);
                                prop_assert!(!again, "the longest grant is the one that is named");
                            }
                            if granted && visible.last() != Some(&account.id) {
                                visible.push(account.id.clone());
                            }
                        }
                    }
                    let shown = house.accounts_visible(&who, person.as_ref(), now);
                    prop_assert_eq!(shown.iter().map(|account| account.id.clone()).collect::<Vec<_>>(), visible);
                }
            }
        }
    }
}

//! Tests of the rights on the log.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::{
    config::Files,
    model::{AppId, PersonId},
};

const BRANDS: &str =
    "[[brand]]\nid = \"acme\"\n[[brand]]\nid = \"snacks\"\nparent = \"acme\"\n[[brand]]\nid = \"other\"\n";
const PEOPLE: &str = "[[person]]\nid = \"op\"\nroles = [\"operator\", \"approver\"]\n[[person]]\nid = \"sec\"\n";
const APPS: &str = "[[app]]\nid = \"siem\"\nowner = \"sec\"\n";

fn governance(grants: &str) -> Governance {
    let files: Files = [("brands.toml", BRANDS), ("people.toml", PEOPLE), ("apps.toml", APPS), ("grants.toml", grants)]
        .into_iter()
        .map(|(name, text)| (name.to_owned(), text.to_owned()))
        .collect();
    Governance::restart(&files, &std::collections::BTreeMap::new()).unwrap()
}

fn entry(id: &str, holder: &str, rights: &str, brand: Option<&str>, year: u16) -> String {
    let brand = brand.map(|brand| format!("brand = \"{brand}\"\n")).unwrap_or_default();
    format!(
        "[[auditor]]\nid = \"{id}\"\n{holder}\nrights = [{rights}]\n{brand}owner = \"op\"\nexpires = {year}-01-01T00:00:00Z\n"
    )
}

fn at(year: u16) -> Timestamp {
    format!("{year}-01-01T00:00:00Z").parse().unwrap()
}

fn person(id: &str) -> Principal {
    Principal::Person(PersonId::new(id))
}

#[test]
fn an_operator_has_no_right_by_being_one() {
    let governance = governance(&entry("soc", "person = \"sec\"", "\"audit:read\"", None, 2030));
    for right in AuditRight::ALL {
        let refused = governance.audit_right(&person("op"), right, at(2026)).unwrap_err();
        assert_eq!(refused, NoAuditRight::NoEntry { right });
        assert!(refused.to_string().contains(right.as_str()), "the right is named");
    }
    assert!(governance.audit_right(&person("sec"), AuditRight::Read, at(2026)).unwrap().is_whole());
    assert!(governance.audit_right(&person("sec"), AuditRight::Export, at(2026)).is_err(), "one right is not another");
}

#[test]
fn an_entry_ends_at_its_expiry_and_is_named() {
    let governance = governance(&entry("siem-read", "app = \"siem\"", "\"audit:read\"", None, 2027));
    let siem = Principal::App(AppId::new("siem"));
    assert!(governance.audit_right(&siem, AuditRight::Read, at(2026)).is_ok());
    let refused = governance.audit_right(&siem, AuditRight::Read, at(2027)).unwrap_err();
    assert!(matches!(&refused, NoAuditRight::Expired { entry, .. } if entry.as_str() == "siem-read"), "{refused}");
}

#[test]
fn brands_add_up_and_the_whole_log_is_wider() {
    let mut text = entry("a", "person = \"sec\"", "\"audit:read\"", Some("acme/snacks"), 2030);
    text += &entry("b", "person = \"sec\"", "\"audit:read\", \"audit:export\"", Some("other"), 2028);
    let both = governance(&text).audit_right(&person("sec"), AuditRight::Read, at(2026)).unwrap();
    assert_eq!((both.grant().as_str(), both.expires), ("a,b", at(2028)));
    let covers = |scope: &AuditScope, brand: &str| scope.reach.covers(Some(&BrandPath::new(brand)));
    assert!(covers(&both, "acme/snacks") && covers(&both, "other") && !covers(&both, "acme"));
    assert!(!both.reach.covers(None), "a leaf without a brand is for who may read the whole log");
    text += &entry("c", "person = \"sec\"", "\"audit:read\"", None, 2029);
    let whole = governance(&text).audit_right(&person("sec"), AuditRight::Read, at(2026)).unwrap();
    assert_eq!((whole.grant().as_str(), whole.expires, whole.is_whole()), ("c", at(2029), true));
    assert!(whole.reach.covers(None) && covers(&whole, "acme"));
    let after = governance(&text).audit_right(&person("sec"), AuditRight::Read, at(2029)).unwrap();
    assert_eq!(after.grant(), "a", "what is left when the others have ended");
}

proptest! {
    /// The answer is what the live entries with the right say, one by one.
    #[test]
    fn the_reach_is_the_union_of_the_live_entries(
        entries in prop::collection::vec((0usize..2, 1u8..8, 0usize..4, 2025u16..2032), 0..6),
        asked in 0usize..3, now in 2024u16..2033,
    ) {
        let brands = [None, Some("acme"), Some("acme/snacks"), Some("other")];
        let right = AuditRight::ALL[asked];
        let mut text = String::new();
        for (place, (holder, rights, brand, year)) in entries.iter().enumerate() {
            let rights: Vec<String> = AuditRight::ALL.iter().enumerate()
                .filter(|(bit, _)| rights & (1 << bit) != 0).map(|(_, right)| format!("\"{right}\"")).collect();
            let holder = ["person = \"sec\"", "person = \"op\""][*holder];
            text += &entry(&format!("e{place}"), holder, &rights.join(","), brands[*brand], *year);
        }
        let scope = governance(&text).audit_right(&person("sec"), right, at(now));
        let live: BTreeSet<Option<&str>> = entries.iter()
            .filter(|(holder, rights, _, year)| *holder == 0 && rights & (1 << asked) != 0 && now < *year)
            .map(|(_, _, brand, _)| brands[*brand]).collect();
        prop_assert_eq!(scope.is_ok(), !live.is_empty());
        for brand in brands {
            let covered = live.iter().any(|entry| match (entry, brand) {
                (None, _) => true,
                (Some(entry), Some(brand)) => brand == *entry || brand.starts_with(&format!("{entry}/")),
                (Some(_), None) => false,
            });
            let reach = scope.as_ref().is_ok_and(|scope| scope.reach.covers(brand.map(BrandPath::new).as_ref()));
            prop_assert_eq!(reach, covered, "{:?}", brand);
        }
    }
}

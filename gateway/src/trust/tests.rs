//! Tests of signatures: what is refused, and that no byte can be changed.

use pressgate_audit::note::{Algorithm, Signer};
use proptest::prelude::*;

use super::*;
use crate::host::manifest::{SIGNATURE_SECTION, append};

fn signer(name: &str, seed: u8) -> Signer {
    Signer::from_seed(name, Algorithm::Ed25519, [seed; 32].into()).unwrap()
}

/// A component with two sections, one of them a component with what looks like a signature.
fn component() -> Vec<u8> {
    let mut inner = b"\0asm\x0d\0\x01\0".to_vec();
    append(&mut inner, SIGNATURE_SECTION, b"hidden");
    let mut component = b"\0asm\x0d\0\x01\0\x04".to_vec();
    component.push(u8::try_from(inner.len()).unwrap());
    component.extend(inner);
    append(&mut component, "more", b"content");
    component
}

fn named(name: &str) -> Vec<u8> {
    let json = serde_json::json!({"plugin": {"name": name, "version": "1.0.0", "kind": "policy", "wit": "0.1.0"}});
    Manifest::from_json(json.to_string().as_bytes()).expect("a manifest");
    let mut component = component();
    append(&mut component, crate::host::manifest::SECTION, json.to_string().as_bytes());
    component
}

fn trusting(signers: &[&Signer]) -> Trust {
    Trust::default().only(signers.iter().map(|signer| signer.verifier().clone()).collect()).strict()
}

#[test]
fn several_keys_sign_and_one_that_signs_again_takes_its_own_place() {
    let (one, two) = (signer("one", 1), signer("two", 2));
    let once = sign(&component(), &one).unwrap();
    assert_eq!(sign(&once, &one).unwrap(), once);
    let both = sign(&once, &two).unwrap();
    assert_eq!(split(&both).unwrap().content, component(), "what runs is what it was");
    assert_eq!(trusting(&[&two]).judge(&both), Ok(Standing::Signed(vec![two.verifier().label()])));
    let labels = vec![one.verifier().label(), two.verifier().label()];
    assert_eq!(trusting(&[&one, &two]).judge(&both), Ok(Standing::Signed(labels)));
    assert_eq!(trusting(&[&one, &two]).look(&sign(&both, &one).unwrap()).unwrap().len(), 2);
}

#[test]
fn each_way_to_be_refused_has_its_reason() {
    let (one, two) = (signer("one", 1), signer("two", 2));
    let signed = sign(&component(), &one).unwrap();
    let told = |trust: &Trust, component: &[u8]| trust.judge(component).unwrap_err().word();
    let trust = trusting(&[&one]);
    assert_eq!(told(&trust, &component()), "not signed", "one that is hidden in a nested component is none");
    assert_eq!(told(&trusting(&[&two]), &signed), "unknown key");
    assert_eq!(told(&trust, &signed[..signed.len() - 1]), "damaged signature");
    assert_eq!(told(&trust, b"\0asm\x01\0\0\0"), "no component");
    let follows = |name: &str, bytes: &[u8]| {
        let mut made = signed.clone();
        append(&mut made, name, bytes);
        made
    };
    assert_eq!(told(&trust, &follows("after", b"")), "damaged signature");
    assert_eq!(
        told(&trust, &follows(SIGNATURE_SECTION, split(&signed).unwrap().signature.unwrap())),
        "damaged signature"
    );
    let note = split(&signed).unwrap().signature.unwrap();
    let with = |note: &[u8]| {
        let mut made = component();
        append(&mut made, SIGNATURE_SECTION, note);
        made
    };
    assert_eq!(told(&trust, &with(&[note, b"x"].concat())), "damaged signature");
    assert_eq!(told(&trust, &with(b"")), "damaged signature");
    let mut other = component();
    append(&mut other, "changed", b"");
    append(&mut other, SIGNATURE_SECTION, note);
    assert_eq!(told(&trust, &other), "signature over other bytes");
    assert_eq!(told(&Trust::default(), &other), "signature over other bytes", "also where unsigned ones may run");
    assert!(sign(&other, &two).is_err(), "and nobody signs it by mistake");
    // A line of a known key that was made by another.
    let forged = format!("{}\n{}", text(&component()), two.sign(&text(&component()), 0));
    let mut forged = Note::parse(forged.as_bytes()).unwrap();
    forged.signatures[0].name = "one".to_owned();
    forged.signatures[0].id = one.verifier().id();
    assert_eq!(told(&trust, &with(forged.to_string().as_bytes())), "wrong signature");
}

#[test]
fn a_revoked_key_counts_under_no_name_and_another_one_stands_in() {
    let (one, alias, two) = (signer("one", 1), signer("alias", 1), signer("two", 2));
    let revoking = |keys: &[&Signer]| Trust { revoked: vec![one.verifier().clone()], ..trusting(keys) };
    let signed = sign(&component(), &one).unwrap();
    assert_eq!(revoking(&[&one]).judge(&signed).unwrap_err().word(), "revoked key");
    assert_eq!(revoking(&[&alias]).judge(&sign(&component(), &alias).unwrap()).unwrap_err().word(), "revoked key");
    let open = Trust { revoked: vec![one.verifier().clone()], ..Trust::default() };
    assert_eq!(open.judge(&signed).unwrap_err().word(), "revoked key", "also where unsigned ones may run");
    assert!(revoking(&[&one, &two]).judge(&sign(&signed, &two).unwrap()).is_ok());
}

#[test]
fn a_key_may_be_for_some_plugins_only() {
    let one = signer("one", 1);
    let only = Some([PluginName::new("mine")].into());
    let trust = Trust { keys: vec![TrustedKey { key: one.verifier().clone(), plugins: only }], ..trusting(&[]) };
    assert!(trust.judge(&sign(&named("mine"), &one).unwrap()).is_ok());
    let error = trust.judge(&sign(&named("other"), &one).unwrap()).unwrap_err();
    assert!(error.word() == "key of another plugin" && error.to_string().contains("only `mine`"), "{error}");
}

#[test]
fn any_bit_of_any_byte_that_is_changed_is_found() {
    let one = signer("one", 1);
    let (signed, trust) = (sign(&component(), &one).unwrap(), trusting(&[&one]));
    assert!(trust.judge(&signed).is_ok());
    for place in 0..signed.len() {
        for bit in 0..8 {
            let mut changed = signed.clone();
            changed[place] ^= 1 << bit;
            assert!(trust.judge(&changed).is_err(), "byte {place}, bit {bit}");
        }
        assert!(trust.judge(&signed[..place]).is_err(), "cut at {place}");
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0_usize..400) {
        let one = signer("one", 1);
        let mut signed = sign(&component(), &one).unwrap();
        let at = at % signed.len();
        let end = (at + bytes.len()).min(signed.len());
        signed.splice(at..end, bytes.clone());
        let same = signed == sign(&component(), &one).unwrap();
        prop_assert_eq!(trusting(&[&one]).judge(&signed).is_ok(), same);
        let mut headed = b"\0asm\x0d\0\x01\0".to_vec();
        headed.extend(&bytes);
        prop_assert!(trusting(&[&one]).judge(&bytes).is_err() && trusting(&[&one]).judge(&headed).is_err());
        let mut section = component();
        append(&mut section, SIGNATURE_SECTION, &bytes);
        prop_assert!(trusting(&[&one]).judge(&section).is_err());
    }
}

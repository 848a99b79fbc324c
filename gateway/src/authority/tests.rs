//! Tests of the authority: what strict clients accept and refuse of it.

use rcgen::SanType;
use rustls::{RootCertStore, pki_types::UnixTime};
use rustls_pki_types::{CertificateDer, ServerName};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::*;
use crate::{
    host::Manifest,
    model::{Account, AccountId, BrandPath, PluginName},
};

const NOW: &str = "2030-06-01T12:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn hosts(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn authority(names: &[&str]) -> Authority {
    Authority::make(hosts(names), None, now()).unwrap()
}

/// A certificate that whoever has the key could sign, for any name.
fn signed(authority: &Authority, name: SanType) -> CertificateDer<'static> {
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![name];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    dated(&mut params, now(), now() + SignedDuration::from_hours(1)).unwrap();
    let key = KeyPair::generate().unwrap();
    params.signed_by(&key, &authority.issuer).unwrap().der().clone()
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

/// What a client that trusts the authority makes of a certificate.
fn verified(authority: &Authority, leaf: &CertificateDer<'_>, name: &str) -> Result<(), String> {
    let anchors = [anchor_from_trusted_cert(&authority.certificate).unwrap()];
    let leaf = EndEntityCert::try_from(leaf).unwrap();
    let at = UnixTime::since_unix_epoch(Duration::from_secs(now().as_second().unsigned_abs()));
    let algorithms = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms;
    leaf.verify_for_usage(algorithms.all, &anchors, &[], at, KeyUsage::server_auth(), None, None)
        .map_err(|error| format!("{error:?}"))?;
    leaf.verify_is_valid_for_subject_name(&ServerName::try_from(name).unwrap()).map_err(|error| format!("{error:?}"))
}

#[test]
fn a_client_accepts_the_declared_hosts_and_no_other() {
    let authority = authority(&["social.example", "upload.example"]);
    for host in ["social.example", "upload.example"] {
        assert_eq!(verified(&authority, &signed(&authority, dns(host)), host), Ok(()));
    }
    for host in ["bank.example", "example", "evilsocial.example"] {
        let told = verified(&authority, &signed(&authority, dns(host)), host).unwrap_err();
        assert!(told.contains("NameConstraintViolation"), "{host}: {told}");
    }
    for address in ["192.0.2.1", "2001:db8::1"] {
        let leaf = signed(&authority, SanType::IpAddress(address.parse().unwrap()));
        let told = verified(&authority, &leaf, address).unwrap_err();
        assert!(told.contains("NameConstraintViolation"), "{address}: {told}");
    }
    // The constraints are critical (RFC 5280 4.2.1.10): the extension's id, then TRUE.
    let critical = [0x06, 0x03, 0x55, 0x1d, 0x1e, 0x01, 0x01, 0xff];
    assert!(authority.certificate.windows(critical.len()).any(|bytes| bytes == critical));
    // Without hosts there would be no constraint at all.
    assert_eq!(Authority::make(BTreeSet::new(), None, now()).err(), Some(AuthorityError::NoHosts));
}

#[test]
fn what_was_kept_is_the_same_authority() {
    let made = authority(&["social.example"]);
    let opened = Authority::open(&made.kept().unwrap()).unwrap();
    assert_eq!((opened.pem(), opened.hosts(), opened.until()), (made.pem(), made.hosts(), made.until()));
    assert_eq!(verified(&made, &signed(&opened, dns("social.example")), "social.example"), Ok(()));
    assert!(Authority::open(b"{}").is_err());
    assert!(!made.pem().contains("PRIVATE"));
}

#[test]
fn renewed_it_speaks_to_clients_that_trust_the_one_before() {
    let before = authority(&["social.example"]);
    let renewed = Authority::make(hosts(&["social.example", "new.example"]), Some(&before), now()).unwrap();
    let (known, new) = (signed(&renewed, dns("social.example")), signed(&renewed, dns("new.example")));
    assert_eq!(verified(&before, &known, "social.example"), Ok(()));
    assert!(verified(&before, &new, "new.example").is_err());
    assert_eq!(verified(&renewed, &new, "new.example"), Ok(()));
    let another = authority(&["social.example"]);
    assert_ne!(another.name(), before.name());
    assert!(verified(&another, &known, "social.example").is_err());
}

#[test]
fn it_speaks_only_as_its_hosts_and_in_its_time() {
    let authority = authority(&["social.example"]);
    assert_eq!(authority.fits("social.example", now()), Ok(()));
    assert_eq!(authority.fits("bank.example", now()), Err(Unfit::Outside("bank.example".into())));
    let later = authority.until();
    assert_eq!(authority.fits("social.example", later), Err(Unfit::Ended(later)));
    assert!(!authority.ends_soon(now()) && authority.ends_soon(later - SignedDuration::from_hours(24 * 29)));
}

#[test]
fn a_certificate_is_kept_for_hours_and_made_anew_before_it_ends() {
    let authority = authority(&["social.example", "a.example"]);
    let first = authority.speak_as("social.example", now()).unwrap();
    let again = |hours| authority.speak_as("social.example", now() + SignedDuration::from_hours(hours)).unwrap();
    assert!(Arc::ptr_eq(&first, &again(15)));
    let second = again(17);
    assert!(!Arc::ptr_eq(&first, &second) && Arc::ptr_eq(&second, &again(18)));
    assert!(!Arc::ptr_eq(&second, &again(0)), "made in the future of a clock that was put back");
    assert!(!Arc::ptr_eq(&first, &authority.speak_as("a.example", now()).unwrap()));
}

#[test]
fn a_long_name_and_a_bad_one() {
    let long = format!("{}.{}.example", "a".repeat(60), "b".repeat(60));
    let authority = authority(&[&long]);
    assert!(authority.speak_as(&long, now()).is_ok());
    for bad in ["bäd.example", "", ".example", "a..b", "*.example", "a b"] {
        assert!(Authority::make(hosts(&[bad]), None, now()).is_err(), "{bad}");
    }
    let mut roots = RootCertStore::empty();
    assert!(roots.add(authority.certificate.clone()).is_ok());
}

#[test]
fn an_account_leads_to_its_endpoint_and_to_what_its_adapter_declares() {
    let manifest = r#"
[plugin]
name = "sample"
version = "0.1.0"
kind = "adapter"
wit = "0.1.0"
networks = ["sample"]
[[http]]
origin = "{account.endpoint}"
methods = ["GET"]
path_prefixes = ["/"]
known_as = ["https://known.example", "https://Social.example"]
[[http]]
origin = "https://upload.example:8443"
methods = ["POST"]
path_prefixes = ["/"]
[[http]]
origin = "https://192.0.2.1"
methods = ["POST"]
path_prefixes = ["/"]
"#;
    let manifest = Manifest::from_toml(manifest, |_| Err("none".into())).unwrap();
    let of = |endpoint: &str, manifest| {
        let account = Account {
            id: AccountId::new("acme"),
            network: "sample".into(),
            adapter: PluginName::new("sample"),
            endpoint: endpoint.parse().unwrap(),
            private_endpoint: true,
            brand: BrandPath::new("acme"),
            handle: None,
            native_hold: crate::model::NativeHold::Refuse,
        };
        let places = places(&account, manifest).into_iter();
        places.map(|place| format!("{}:{} {}", place.host, place.port, place.origin)).collect::<Vec<_>>()
    };
    let upload = "upload.example:8443 https://upload.example:8443";
    // Under another name it is the same place; its own name stays its own.
    let known = "known.example:443 https://social.example";
    assert_eq!(
        of("https://Social.example", Some(&manifest)),
        ["social.example:443 https://social.example", upload, known]
    );
    assert_eq!(of("http://social.example", None), ["social.example:80 http://social.example"]);
    let elsewhere = ["known.example:443", "social.example:443"].map(|at| format!("{at} https://upload.example:8443"));
    assert_eq!(of("https://upload.example:8443", Some(&manifest)), [&[upload.to_owned()][..], &elsewhere].concat());
    // An address is no host that a certificate could name.
    assert_eq!(of("http://127.0.0.1:3000", None), <[&str; 0]>::default());
    assert_eq!(of("https://a..example", None), <[&str; 0]>::default());
}

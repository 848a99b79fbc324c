//! Secrets that a person gives: from a file, standard input or the keyboard, never from the command line, where every process
//! could read them.

use std::{
    collections::BTreeMap,
    io::{IsTerminal, Read},
    os::fd::AsFd,
    path::Path,
};

use zeroize::Zeroizing;

use super::{ask::ask, outcome::Failure};
use crate::vault::{SECRET_BYTES_MAX, SECRETS_MAX};

/// More than a credential can hold.
const INPUT_BYTES_MAX: usize = SECRETS_MAX * (SECRET_BYTES_MAX + 256);

/// Values by name. No `Debug`.
pub type Values = BTreeMap<String, Zeroizing<String>>;

/// Reads the named values from a file, or from standard input for none or `-`. At a terminal they are asked for one by one.
pub fn read(from: Option<&Path>, names: &[String]) -> Result<Values, Failure> {
    let mut text = Zeroizing::new(String::with_capacity(INPUT_BYTES_MAX + 1));
    let limit = INPUT_BYTES_MAX as u64 + 1;
    match from.filter(|path| *path != Path::new("-")) {
        Some(path) => {
            let file = std::fs::File::open(path).map_err(|error| Failure::file(path, &error))?;
            file.take(limit).read_to_string(&mut text).map_err(|error| Failure::file(path, &error))?;
        }
        None => {
            let input = std::io::stdin();
            if input.is_terminal() {
                return ask(input.as_fd(), names);
            }
            let unreadable = |error: std::io::Error| Failure::refused(format!("standard input: {error}"));
            input.lock().take(limit).read_to_string(&mut text).map_err(unreadable)?;
        }
    }
    if text.len() > INPUT_BYTES_MAX {
        return Err(Failure::refused(format!("the input is over {INPUT_BYTES_MAX} bytes")));
    }
    parse(&text, names).map_err(Failure::refused)
}

/// One wanted value may stand alone, over several lines if need be. Several stand in lines of `name=value`. Errors quote no value.
pub fn parse(text: &str, names: &[String]) -> Result<Values, String> {
    if let [only] = names {
        let whole = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
        let value = whole.strip_prefix(only.as_str()).and_then(|rest| rest.strip_prefix('=')).unwrap_or(whole);
        if value.is_empty() {
            return Err(format!("the value of `{only}` is empty"));
        }
        return Ok(BTreeMap::from([(only.clone(), Zeroizing::new(value.to_owned()))]));
    }
    let mut values = Values::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let number = number + 1;
        let Some((name, value)) = line.split_once('=') else {
            return Err(format!("line {number} is not `name=value`; wanted: {}", wanted(names)));
        };
        let Some(name) = names.iter().find(|known| *known == name.trim()) else {
            return Err(format!(
                "line {number} names a value that the adapter does not want; wanted: {}",
                wanted(names)
            ));
        };
        if value.is_empty() {
            return Err(format!("line {number}: the value of `{name}` is empty"));
        }
        if values.insert(name.clone(), Zeroizing::new(value.to_owned())).is_some() {
            return Err(format!("line {number} gives `{name}` again"));
        }
    }
    match names.iter().find(|name| !values.contains_key(*name)) {
        Some(missing) => Err(format!("`{missing}` is missing; wanted: {}", wanted(names))),
        None => Ok(values),
    }
}

fn wanted(names: &[String]) -> String {
    match names {
        [only] => format!("the value of `{only}`"),
        several => several.iter().map(|name| format!("a line `{name}=…`")).collect::<Vec<_>>().join(", "),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn parsed(text: &str, wanted: &[&str]) -> Result<Vec<(String, String)>, String> {
        let values = parse(text, &names(wanted))?;
        Ok(values.into_iter().map(|(name, value)| (name, value.to_string())).collect())
    }

    #[test]
    fn one_value_may_stand_alone_or_be_named() {
        for text in ["s3cret", "s3cret\n", "s3cret\r\n", "token=s3cret\n"] {
            assert_eq!(parsed(text, &["token"]).unwrap(), [("token".into(), "s3cret".into())], "{text:?}");
        }
        assert_eq!(parsed("a\nb\n", &["pem"]).unwrap()[0].1, "a\nb", "a PEM file has several lines");
        assert_eq!(parsed("a=b==\n", &["token"]).unwrap()[0].1, "a=b==", "base64 ends in equals signs");
        assert_eq!(parsed(" x ", &["token"]).unwrap()[0].1, " x ", "spaces may belong to it");
        assert!(parsed("\n", &["token"]).is_err() && parsed("token=\n", &["token"]).is_err());
    }

    #[test]
    fn several_values_stand_in_lines() {
        let wanted = ["identifier", "password"];
        let text = "identifier=acme.example\n\n password=p=w d\r\n";
        let values = parsed(text, &wanted).unwrap();
        assert_eq!(values, [("identifier".into(), "acme.example".into()), ("password".into(), "p=w d".into())]);
        for (text, why) in [
            ("identifier=a\n", "missing"),
            ("identifier=a\nidentifier=b\npassword=c\n", "again"),
            ("identifier=a\npassword=b\nother=c\n", "does not want"),
            ("canary\n", "name=value"),
            ("identifier=\npassword=b\n", "empty"),
        ] {
            let fault = parsed(text, &wanted).unwrap_err();
            assert!(fault.contains(why) && !fault.contains("canary"), "{text:?}: {fault}");
        }
    }

    proptest! {
        #[test]
        fn no_input_panics_and_no_error_quotes_it(text in "[a-z=\\r\\n é]{0,60}") {
            for wanted in [&["token"][..], &["a", "b"], &[]] {
                if let Err(fault) = parse(&format!("QUOTED{text}"), &names(wanted)) {
                    prop_assert!(!fault.contains("QUOTED"), "{fault}");
                }
            }
        }
    }
}

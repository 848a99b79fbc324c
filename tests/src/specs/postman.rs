//! A Postman collection (format 2.1) as a judge: is a request one of those that it shows?

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::{Faults, form};

/// Pages of a list are asked for by these; the collection shows them in answers.
const PAGING: [&str; 5] = ["limit", "before", "after", "since", "until"];

/// The requests of a collection.
#[derive(Debug)]
pub struct Postman {
    shown: Vec<Shown>,
    /// Where the collection's own authorization is put.
    token: String,
}

/// What the collection shows of one request.
#[derive(Debug)]
struct Shown {
    method: String,
    path: Vec<String>,
    /// Parameters and the values that the collection lists for each; none where any will do.
    parameters: BTreeMap<String, Option<BTreeSet<String>>>,
}

impl Postman {
    /// Reads a collection. `token` is the parameter of its authorization.
    ///
    /// # Panics
    /// When the file is not there or not readable.
    pub fn load(path: &Path, token: &str) -> Self {
        let text = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let collection: Value = serde_json::from_slice(&text).expect("JSON");
        let mut variables = BTreeMap::new();
        for variable in collection["variable"].as_array().into_iter().flatten() {
            if let (Some(name), Some(value)) = (variable["key"].as_str(), variable["value"].as_str()) {
                variables.insert(format!("{{{{{name}}}}}"), value.to_owned());
            }
        }
        let mut shown = Vec::new();
        collect(&collection["item"], &variables, &mut shown);
        assert!(shown.len() > 10, "a collection with few requests was not understood");
        Self { shown, token: token.to_owned() }
    }

    /// Checks one request: method, path, the names of its parameters, and their values where the collection lists them.
    ///
    /// # Errors
    /// Every fault.
    pub fn check(&self, method: &str, path: &str, query: &str, body: &[u8]) -> Result<(), Faults> {
        let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let alike: Vec<&Shown> =
            self.shown.iter().filter(|shown| shown.method == method && shown.is_at(&segments)).collect();
        if alike.is_empty() {
            return Err(vec![format!("{method} {path} is not in the collection")]);
        }
        let mut faults = Vec::new();
        let mut seen = BTreeSet::new();
        for field in form::urlencoded(query.as_bytes()).into_iter().chain(form::urlencoded(body)) {
            let (name, value) = (field.name, String::from_utf8_lossy(&field.value).into_owned());
            if !seen.insert(name.clone()) {
                faults.push(format!("{method} {path}: `{name}` is given twice"));
            }
            let listed: Vec<_> = alike.iter().filter_map(|shown| shown.parameters.get(&name)).collect();
            let of_list = method == "GET" && PAGING.contains(&name.as_str());
            if listed.is_empty() && name != self.token && !of_list {
                faults.push(format!("{method} {path}: the collection has no `{name}`"));
            }
            let values = value.split(',').map(str::trim);
            let fits = |value: &str| {
                listed.is_empty()
                    || listed.iter().any(|values| values.as_ref().is_none_or(|values| values.contains(value)))
            };
            let listed_by_name = ["media_type", "reply_control", "fields"].contains(&name.as_str());
            for value in values.filter(|value| listed_by_name && !fits(value)) {
                faults.push(format!("{method} {path}: `{name}` has no value `{value}`"));
            }
        }
        if !seen.contains(&self.token) {
            faults.push(format!("{method} {path}: `{}` is missing", self.token));
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}

impl Shown {
    /// A variable stands for the number of something.
    fn is_at(&self, segments: &[&str]) -> bool {
        let fits = |(shown, given): (&String, &&str)| {
            if shown.starts_with("{{") {
                !given.is_empty() && given.bytes().all(|byte| byte.is_ascii_digit())
            } else {
                shown == given
            }
        };
        self.path.len() == segments.len() && self.path.iter().zip(segments).all(fits)
    }
}

fn collect(items: &Value, variables: &BTreeMap<String, String>, shown: &mut Vec<Shown>) {
    for item in items.as_array().into_iter().flatten() {
        collect(&item["item"], variables, shown);
        let request = &item["request"];
        let (Some(method), Some(path)) = (request["method"].as_str(), request["url"]["path"].as_array()) else {
            continue;
        };
        let path = path.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let parameters = request["url"]["query"].as_array().into_iter().flatten().filter_map(|pair| {
            let name = pair["key"].as_str()?.to_owned();
            let value = pair["value"].as_str().unwrap_or_default();
            let values = |list: &str| Some(split(list));
            Some(match (variables.get(value), name.as_str()) {
                (Some(list), _) => (name, values(list)),
                (None, "media_type") => {
                    let all = variables.get("{{media_type}}").map(String::as_str).unwrap_or(value);
                    (name, values(all))
                }
                _ => (name, None),
            })
        });
        shown.push(Shown { method: method.to_owned(), path, parameters: parameters.collect() });
    }
}

/// Names apart by commas; what stands in braces belongs to the name before.
fn split(list: &str) -> BTreeSet<String> {
    let mut depth = 0;
    let flat: String = list
        .chars()
        .filter(|letter| {
            depth += i32::from(*letter == '{');
            let outside = depth == 0;
            depth -= i32::from(*letter == '}');
            outside
        })
        .collect();
    flat.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

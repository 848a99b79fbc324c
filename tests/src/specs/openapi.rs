//! Requests and answers against an OpenAPI document. The schemas of 3.1 are JSON Schema 2020-12; those of 3.0 are read as if they were,
//! which holds for what is checked here.
//!
//! Requests are held to more than the document says: a field, query parameter or header that it does not name is a fault,
//! so that a mistyped name in an adapter is found. Answers may have more fields than the document names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};

use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};

use super::Faults;
use super::form::{self, FormField};

/// Headers that HTTP gives a meaning, in every request (RFC 9110, RFC 9112).
const HEADERS_OF_HTTP: [&str; 9] = [
    "accept",
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "host",
    "transfer-encoding",
    "user-agent",
];

/// A document with its validators, which are built when they are first needed.
#[derive(Debug)]
pub struct OpenApi {
    document: Map<String, Value>,
    validators: Mutex<BTreeMap<String, Arc<Validator>>>,
}

/// An operation and where it stands in the document.
#[derive(Debug, Clone)]
struct Operation<'a> {
    /// `POST /api/v1/statuses`.
    name: String,
    /// JSON pointer of the operation.
    pointer: String,
    value: &'a Value,
}

impl OpenApi {
    /// Reads a document.
    ///
    /// # Panics
    /// When the file cannot be read or is not an OpenAPI 3 document.
    pub fn load(file: &Path) -> Self {
        let text = std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let document = serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        Self::new(document)
    }

    /// Takes a document that was read.
    ///
    /// # Panics
    /// When it is not an OpenAPI 3 document.
    pub fn new(document: Map<String, Value>) -> Self {
        let version = document.get("openapi").and_then(Value::as_str).unwrap_or("");
        assert!(version.starts_with("3."), "the document is OpenAPI {version:?}, not 3");
        Self { document, validators: Mutex::default() }
    }

    /// Checks a value against a named schema.
    ///
    /// # Errors
    /// Every fault that was found.
    pub fn check_value(&self, schema: &str, value: &Value) -> Result<(), Faults> {
        let faults = self.validate(schema, &reference(&format!("/components/schemas/{schema}")), value);
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// Checks a request. `target` is the path with its query.
    ///
    /// # Errors
    /// Every fault that was found.
    pub fn check_request(
        &self,
        method: &str,
        target: &str,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Result<(), Faults> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let operation = self.operation(method, path)?;
        let mut faults = self.check_query(&operation, query);
        faults.extend(unknown_headers(&operation, headers));
        if self.wants_token(&operation) && header(headers, "authorization").is_none() {
            faults.push(format!("{}: the operation needs a token and none was sent", operation.name));
        }
        faults.extend(self.check_body(&operation, headers, body));
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// Checks an answer to a request for this path (with or without its query).
    ///
    /// # Errors
    /// Every fault that was found.
    pub fn check_answer(
        &self,
        method: &str,
        target: &str,
        status: u16,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Result<(), Faults> {
        let path = target.split('?').next().unwrap_or(target);
        let operation = self.operation(method, path)?;
        let name = format!("{} {status}", operation.name);
        let responses = operation.value.get("responses").and_then(Value::as_object);
        let declared = [status.to_string(), "default".to_owned()].into_iter().find_map(|key| {
            let response = responses?.get(&key)?;
            Some((format!("{}/responses/{key}", operation.pointer), response))
        });
        let Some((pointer, response)) = declared else {
            return Err(vec![format!("{name}: the document does not know this status")]);
        };
        let mut faults = self.check_headers(&name, &pointer, response, headers);
        let contents = response.get("content").and_then(Value::as_object);
        if let Some(contents) = contents.filter(|contents| contents.keys().any(|known| is_json(known))) {
            let content_type = header(headers, "content-type").unwrap_or("none");
            let known = media_type(content_type);
            if !contents.contains_key(&known) {
                faults.push(format!("{name}: the content type is {content_type}, not {:?}", contents.keys()));
            } else if is_json(&known) {
                match serde_json::from_slice::<Value>(body) {
                    Err(error) => faults.push(format!("{name}: the body is not JSON: {error}")),
                    Ok(value) => {
                        let schema = reference(&format!("{pointer}/content/{}/schema", escaped(&known)));
                        faults.extend(self.validate(&name, &schema, &value));
                    }
                }
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// Finds the operation; a literal segment is preferred to a `{template}`.
    fn operation(&self, method: &str, path: &str) -> Result<Operation<'_>, Faults> {
        let paths = self.document.get("paths").and_then(Value::as_object).expect("paths");
        let matching = paths.keys().filter(|template| matches(template, path));
        let template = matching.min_by_key(|template| template.matches('{').count());
        let Some(template) = template else {
            return Err(vec![format!("{path}: the document has no such path")]);
        };
        let method = method.to_ascii_lowercase();
        let name = format!("{} {template}", method.to_ascii_uppercase());
        match paths.get(template).and_then(|item| item.get(&method)) {
            Some(value) => Ok(Operation { name, pointer: format!("/paths/{}/{method}", escaped(template)), value }),
            None => Err(vec![format!("{name}: the document has no such method")]),
        }
    }

    /// The operation's own word on it counts, else the document's.
    fn wants_token(&self, operation: &Operation<'_>) -> bool {
        let security = operation.value.get("security").or_else(|| self.document.get("security"));
        security.and_then(Value::as_array).is_some_and(|wanted| !wanted.is_empty())
    }

    /// Every operation: method and path as the document writes them.
    pub fn operations(&self) -> BTreeSet<String> {
        const METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];
        let paths = self.document.get("paths").and_then(Value::as_object).expect("paths");
        let of_path = |(path, item): (&String, &Value)| {
            let methods = METHODS.into_iter().filter(|method| item.get(method).is_some());
            methods.map(|method| format!("{} {path}", method.to_ascii_uppercase())).collect::<Vec<_>>()
        };
        paths.iter().flat_map(of_path).collect()
    }

    /// The operation that answers a method at a path, as [`OpenApi::operations`] names it.
    ///
    /// # Errors
    /// The document has none.
    pub fn operation_of(&self, method: &str, path: &str) -> Result<String, Faults> {
        self.operation(method, path).map(|operation| operation.name)
    }

    fn check_query(&self, operation: &Operation<'_>, query: &str) -> Faults {
        let mut faults = Vec::new();
        let empty = Vec::new();
        let parameters = operation.value.get("parameters").and_then(Value::as_array).unwrap_or(&empty);
        let parameters: Vec<&Value> = parameters.iter().map(|parameter| self.resolved(parameter)).collect();
        let in_query = |name: &str| {
            let of_query = |value: &&&Value| value.get("in") == Some(&json!("query"));
            parameters.iter().filter(of_query).position(|value| {
                let known = value.get("name").and_then(Value::as_str).unwrap_or("");
                known.trim_end_matches("[]") == name.trim_end_matches("[]")
            })
        };
        let schemas: Vec<_> = parameters.iter().filter(|value| value.get("in") == Some(&json!("query"))).collect();
        let given: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        for (name, value) in &given {
            let Some(at) = in_query(name) else {
                faults.push(format!("{}: there is no query parameter `{name}`", operation.name));
                continue;
            };
            let schema = schemas[at].get("schema").cloned().unwrap_or(json!(true));
            let schema = if name.ends_with("[]") { schema.get("items").cloned().unwrap_or(schema) } else { schema };
            let together = schemas[at].get("explode") == Some(&json!(false)) || value.contains(',');
            let value = match self.resolved(&schema).get("items") {
                Some(items) if together && !name.ends_with("[]") => {
                    value.split(',').map(|item| coerced(item, items)).collect()
                }
                _ => coerced(value, &schema),
            };
            faults.extend(self.validate(&format!("{}: query `{name}`", operation.name), &schema, &value));
        }
        for parameter in schemas.iter().filter(|value| value.get("required") == Some(&json!(true))) {
            let name = parameter.get("name").and_then(Value::as_str).unwrap_or("");
            if !given.iter().any(|(known, _)| known == name) {
                faults.push(format!("{}: the query parameter `{name}` is missing", operation.name));
            }
        }
        faults
    }

    fn check_body(&self, operation: &Operation<'_>, headers: &[(String, String)], body: &[u8]) -> Faults {
        let name = &operation.name;
        let Some(declared) = operation.value.get("requestBody") else {
            return if body.is_empty() { vec![] } else { vec![format!("{name}: the operation takes no body")] };
        };
        if body.is_empty() {
            let required = declared.get("required") == Some(&json!(true));
            return if required { vec![format!("{name}: the body is missing")] } else { vec![] };
        }
        let content_type = header(headers, "content-type").unwrap_or("none");
        let sent = media_type(content_type);
        // Mastodon takes forms wherever it takes JSON, which the document does not say: their fields are held to the
        // schema of the content that it does describe.
        let contents = declared.get("content").and_then(Value::as_object).expect("content");
        let form = matches!(sent.as_str(), "multipart/form-data" | "application/x-www-form-urlencoded");
        let known = if contents.contains_key(&sent) {
            sent.clone()
        } else if let Some(first) = contents.keys().next().filter(|_| form) {
            first.clone()
        } else {
            return vec![format!("{name}: the content type {content_type} is not among {:?}", contents.keys())];
        };
        if !form && !is_json(&known) {
            // A file: every sequence of bytes fits.
            return vec![];
        }
        let pointer = format!("{}/requestBody/content/{}/schema", operation.pointer, escaped(&known));
        let value = match sent.as_str() {
            "application/json" => serde_json::from_slice(body).map_err(|error| error.to_string()),
            "multipart/form-data" => form::multipart(content_type, body).and_then(|f| self.object(&pointer, f)),
            _ => self.object(&pointer, form::urlencoded(body)),
        };
        match value {
            Err(error) => vec![format!("{name}: the body cannot be read: {error}")],
            Ok(value) => self.validate(name, &self.closed(&pointer), &value),
        }
    }

    /// Form fields as the object that the schema describes. Files become the text `file`.
    fn object(&self, pointer: &str, fields: Vec<FormField>) -> Result<Value, String> {
        let mut properties = Map::new();
        self.properties(&reference(pointer), &mut properties, 0);
        let mut object = Map::new();
        for field in fields {
            let list = field.name.ends_with("[]");
            let name = field.name.trim_end_matches("[]").to_owned();
            let schema = self.resolved(properties.get(&name).unwrap_or(&Value::Null)).clone();
            let is_binary = |schema: &Value| schema.get("format") == Some(&json!("binary"));
            let mut branches = schema.get("anyOf").and_then(Value::as_array).into_iter().flatten();
            let binary = is_binary(&schema) || branches.any(is_binary);
            // Some clients give a file no name, but say what it is.
            if binary != (field.file_name.is_some() || field.media_type.is_some()) {
                let kind = if binary { "must be a file" } else { "must not be a file" };
                return Err(format!("`{name}` {kind}"));
            }
            if binary && field.media_type.is_none() {
                return Err(format!("the file `{name}` has no media type"));
            }
            let text = if binary {
                "file".to_owned()
            } else {
                String::from_utf8(field.value).map_err(|_| format!("`{name}` is not UTF-8"))?
            };
            let before = if list {
                let items = schema.get("items").cloned().unwrap_or(Value::Null);
                let list = object.entry(name.clone()).or_insert_with(|| json!([]));
                if let Some(list) = list.as_array_mut() {
                    list.push(coerced(&text, &items));
                }
                None
            } else {
                object.insert(name.clone(), coerced(&text, &schema))
            };
            if before.is_some() {
                return Err(format!("`{name}` is there twice"));
            }
        }
        Ok(Value::Object(object))
    }

    /// The properties that any branch of a schema names.
    fn properties(&self, schema: &Value, found: &mut Map<String, Value>, depth: usize) {
        const DEPTH_MAX: usize = 8;
        if depth > DEPTH_MAX {
            return;
        }
        let schema = self.resolved(schema);
        if let Some(own) = schema.get("properties").and_then(Value::as_object) {
            found.extend(own.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        for keyword in ["allOf", "oneOf", "anyOf"] {
            for branch in schema.get(keyword).and_then(Value::as_array).into_iter().flatten() {
                self.properties(branch, found, depth + 1);
            }
        }
    }

    /// The schema of a request body, closed to fields that it does not name. Each alternative is closed by itself:
    /// only so does a `oneOf` of open objects pick one.
    fn closed(&self, pointer: &str) -> Value {
        let schema = self.resolved(&reference(pointer)).clone();
        for keyword in ["oneOf", "anyOf"] {
            if let Some(branches) = schema.get(keyword).and_then(Value::as_array) {
                let close = |branch: &Value| json!({ "allOf": [branch], "unevaluatedProperties": false });
                return json!({ keyword: branches.iter().map(close).collect::<Vec<_>>() });
            }
        }
        json!({ "allOf": [reference(pointer)], "unevaluatedProperties": false })
    }

    fn check_headers(&self, name: &str, pointer: &str, response: &Value, headers: &[(String, String)]) -> Faults {
        let mut faults = Vec::new();
        for (known, _) in response.get("headers").and_then(Value::as_object).into_iter().flatten() {
            let Some(value) = header(headers, &known.to_ascii_lowercase()) else { continue };
            let declared = reference(&format!("{pointer}/headers/{}", escaped(known)));
            let declared = self.resolved(&declared);
            let schema = declared.get("schema").cloned().unwrap_or(json!(true));
            let value = coerced(value, &schema);
            faults.extend(self.validate(&format!("{name}: header {known}"), &schema, &value));
        }
        faults
    }

    fn validate(&self, name: &str, schema: &Value, value: &Value) -> Faults {
        let validator = self.validator(schema);
        let errors = validator.iter_errors(value);
        errors.map(|error| format!("{name}: at `{}`: {error}", error.instance_path())).collect()
    }

    /// A validator for a schema that stands at the root of the document, so that its references resolve.
    fn validator(&self, schema: &Value) -> Arc<Validator> {
        let key = schema.to_string();
        let mut validators = self.validators.lock().expect("no thread died");
        if let Some(known) = validators.get(&key) {
            return Arc::clone(known);
        }
        let mut root = self.document.clone();
        root.insert("allOf".to_owned(), json!([schema]));
        let options = jsonschema::options().with_draft(Draft::Draft202012).should_validate_formats(true);
        let built = options.build(&Value::Object(root)).unwrap_or_else(|error| panic!("{key}: {error}"));
        let built = Arc::new(built);
        validators.insert(key, Arc::clone(&built));
        built
    }

    /// Follows `$ref` within the document.
    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let mut schema = schema;
        while let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            let unescaped =
                |segment: &str| segment.replace("%7B", "{").replace("%7D", "}").replace("~1", "/").replace("~0", "~");
            let mut segments = target.trim_start_matches("#/").split('/').map(unescaped);
            let first = segments.next().and_then(|segment| self.document.get(&segment));
            let found = segments.fold(first, |value, segment| value.and_then(|value| value.get(&segment)));
            schema = found.unwrap_or_else(|| panic!("{target} is not in the document"));
        }
        schema
    }
}

fn unknown_headers(operation: &Operation<'_>, headers: &[(String, String)]) -> Faults {
    let parameters = operation.value.get("parameters").and_then(Value::as_array).into_iter().flatten();
    let in_header = parameters.filter(|value| value.get("in") == Some(&json!("header")));
    let declared: Vec<&str> = in_header.filter_map(|value| value.get("name")?.as_str()).collect();
    let known = |name: &str| HEADERS_OF_HTTP.iter().chain(&declared).any(|known| known.eq_ignore_ascii_case(name));
    let unknown = headers.iter().filter(|(name, _)| !known(name));
    unknown.map(|(name, _)| format!("{}: there is no header `{name}`", operation.name)).collect()
}

fn reference(pointer: &str) -> Value {
    json!({ "$ref": format!("#{pointer}") })
}

/// A segment of a JSON pointer within a URI fragment.
fn escaped(segment: &str) -> String {
    segment.replace('~', "~0").replace('/', "~1").replace('{', "%7B").replace('}', "%7D")
}

fn matches(template: &str, path: &str) -> bool {
    let template: Vec<_> = template.split('/').collect();
    let path: Vec<_> = path.split('/').collect();
    let same = |(known, given): (&&str, &&str)| known.starts_with('{') && !given.is_empty() || known == given;
    template.len() == path.len() && template.iter().zip(&path).all(same)
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

fn media_type(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase()
}

fn is_json(media_type: &str) -> bool {
    media_type == "application/json" || media_type.ends_with("+json")
}

/// Text from a form, query or header as the type that the schema wants; text where it does not fit, which the
/// validator then reports.
fn coerced(text: &str, schema: &Value) -> Value {
    let wanted = |kind: &str| match schema.get("type") {
        Some(Value::String(known)) => known == kind,
        Some(Value::Array(known)) => known.iter().any(|known| known == kind),
        _ => false,
    };
    match text {
        "true" | "false" if wanted("boolean") => Value::Bool(text == "true"),
        _ if wanted("integer") => text.parse::<i64>().map_or_else(|_| json!(text), |number| json!(number)),
        _ if wanted("number") => text.parse::<f64>().map_or_else(|_| json!(text), |number| json!(number)),
        _ => json!(text),
    }
}

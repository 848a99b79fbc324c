//! Events against OCSF: JSON Schemas are derived from the published definitions of classes, objects, profiles and data types.
//!
//! Stricter than the schema asks for, so that a mistyped name is found: an attribute that the class or object does not have is a
//! fault (only `unmapped` is free), so is a deprecated one, one of a profile that `metadata.profiles` does not name, and a text
//! beside a number that is not the number's caption.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};

use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};

use super::Faults;

/// The number that means "as the source calls it".
const OTHER: &str = "99";
/// The object without attributes: anything may stand in it.
const FREE: &str = "object";

/// A class or an object with everything that it inherits.
#[derive(Debug, Clone, Default)]
struct Resolved {
    caption: String,
    category: String,
    uid: Option<u64>,
    attributes: Map<String, Value>,
    constraints: Map<String, Value>,
    profiles: BTreeSet<String>,
}

/// Validators by class and profiles.
type Validators = BTreeMap<(u64, Vec<String>), Arc<Validator>>;

/// The definitions with the validators that were derived so far.
#[derive(Debug)]
pub struct Ocsf {
    /// Version of the schema.
    pub version: String,
    categories: Map<String, Value>,
    dictionary: Map<String, Value>,
    types: Map<String, Value>,
    objects: BTreeMap<String, Resolved>,
    classes: BTreeMap<u64, Resolved>,
    validators: Mutex<Validators>,
}

impl Ocsf {
    /// Reads a folder with `dictionary.json`, `events`, `objects` and `profiles`.
    ///
    /// # Panics
    /// When a file is missing or not as the schema's own rules say.
    pub fn load(folder: &Path) -> Self {
        let dictionary = read(&folder.join("dictionary.json"));
        let categories = map(&read(&folder.join("categories.json")), "attributes");
        let objects = all(&folder.join("objects"));
        let events = all(&folder.join("events"));
        let resolve = |raw: &BTreeMap<String, Value>, name: &str| resolved(folder, raw, name);
        let resolved_objects = objects.keys().map(|name| (name.clone(), resolve(&objects, name))).collect();
        let mut classes = BTreeMap::new();
        for name in events.keys() {
            let class = resolve(&events, name);
            // Without a number it is only there to be extended; the base event alone has none and is one.
            if let Some(uid) = class.uid.or((name == "base_event").then_some(0)) {
                classes.insert(category_uid(&categories, &class.category) * 1000 + uid, class);
            }
        }
        Self {
            version: text(&read(&folder.join("version.json")), "version"),
            categories,
            types: map(&dictionary["types"], "attributes"),
            dictionary: map(&dictionary, "attributes"),
            objects: resolved_objects,
            classes,
            validators: Mutex::default(),
        }
    }

    /// Checks an event.
    ///
    /// # Errors
    /// Every fault that was found.
    pub fn check(&self, event: &Value) -> Result<(), Faults> {
        let Some(class) = event["class_uid"].as_u64().filter(|uid| self.classes.contains_key(uid)) else {
            return Err(vec![format!("class_uid: there is no class {}", event["class_uid"])]);
        };
        let profiles = event["metadata"]["profiles"].as_array().cloned().unwrap_or_default();
        let mut profiles: Vec<String> = profiles.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        profiles.sort();
        let unknown = profiles.iter().filter(|profile| !self.classes[&class].profiles.contains(*profile));
        let mut faults: Faults = unknown.map(|profile| format!("the class has no profile {profile}")).collect();
        let validator = self.validator(class, &profiles);
        faults.extend(validator.iter_errors(event).map(|error| format!("{}: {error}", error.instance_path())));
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// The derived schema of a class with these profiles.
    pub fn schema(&self, class: u64, profiles: &[String]) -> Value {
        let mut wanted = BTreeSet::new();
        let mut root =
            self.shape(&self.class_attributes(class), &self.classes[&class].constraints, profiles, &mut wanted);
        let mut done = BTreeMap::new();
        while let Some(name) = wanted.iter().find(|name| !done.contains_key(*name)).cloned() {
            let object = self.objects.get(&name).unwrap_or_else(|| panic!("there is no object {name}"));
            let shape = self.shape(&object.attributes, &object.constraints, profiles, &mut wanted);
            done.insert(name, shape);
        }
        if let Some(metadata) = done.get_mut("metadata") {
            metadata["properties"]["version"] = json!({ "const": self.version });
        }
        root["$defs"] = json!(done);
        root
    }

    fn validator(&self, class: u64, profiles: &[String]) -> Arc<Validator> {
        let mut known = self.validators.lock().expect("a whole list");
        let key = (class, profiles.to_vec());
        let validator = known.entry(key).or_insert_with(|| {
            let schema = self.schema(class, profiles);
            let built = jsonschema::options().with_draft(Draft::Draft202012).build(&schema);
            Arc::new(built.unwrap_or_else(|error| panic!("class {class}: the derived schema is none: {error}")))
        });
        Arc::clone(validator)
    }

    /// The class's attributes, with the numbers that follow from the class.
    fn class_attributes(&self, class: u64) -> Map<String, Value> {
        let resolved = &self.classes[&class];
        let mut attributes = resolved.attributes.clone();
        let category = class / 1000;
        let caption = self.categories.values().find(|known| known["uid"].as_u64() == Some(category));
        let caption = caption.map_or("Uncategorized".to_owned(), |category| text(category, "caption"));
        let one = |uid: u64, caption: &str| json!({ uid.to_string(): { "caption": caption } });
        attributes["category_uid"]["enum"] = one(category, &caption);
        attributes["class_uid"]["enum"] = one(class, &resolved.caption);
        let activities = self.merged("activity_id", &attributes["activity_id"])["enum"].clone();
        let types: Map<String, Value> = activities
            .as_object()
            .expect("activities")
            .keys()
            .map(|activity| ((class * 100 + activity.parse::<u64>().expect("a number")).to_string(), json!({})))
            .collect();
        attributes["type_uid"]["enum"] = Value::Object(types);
        attributes
    }

    /// The schema of a class or an object.
    fn shape(
        &self,
        attributes: &Map<String, Value>,
        constraints: &Map<String, Value>,
        profiles: &[String],
        wanted: &mut BTreeSet<String>,
    ) -> Value {
        let (mut properties, mut required, mut rules) = (Map::new(), Vec::new(), Vec::new());
        for (name, own) in attributes {
            let attribute = self.merged(name, own);
            let of_profile = attribute.get("profile").and_then(Value::as_str);
            let off = of_profile.is_some_and(|profile| !profiles.iter().any(|on| on == profile));
            if off || attribute.get("@deprecated").is_some() {
                continue;
            }
            properties.insert(name.clone(), self.attribute(name, &attribute, wanted));
            if attribute["requirement"] == "required" {
                required.push(name.clone());
            }
            rules.extend(siblings(name, &attribute));
        }
        let names = |rule: &str| constraints.get(rule).and_then(Value::as_array).cloned().unwrap_or_default();
        let one_of_them = |rule: &str| names(rule).iter().map(|name| json!({ "required": [name] })).collect::<Vec<_>>();
        for (rule, keyword) in [("at_least_one", "anyOf"), ("just_one", "oneOf")] {
            let choices = one_of_them(rule);
            if !choices.is_empty() {
                rules.push(json!({ keyword: choices }));
            }
        }
        let mut shape = json!({
            "type": "object", "properties": properties, "required": required, "additionalProperties": false,
        });
        if !rules.is_empty() {
            shape["allOf"] = rules.into();
        }
        shape
    }

    /// The attribute as the dictionary has it, with what the class or object says besides.
    fn merged(&self, name: &str, own: &Value) -> Value {
        let mut attribute =
            self.dictionary.get(name).unwrap_or_else(|| panic!("`{name}` is not in the dictionary")).clone();
        merge(&mut attribute, own);
        attribute
    }

    fn attribute(&self, name: &str, attribute: &Value, wanted: &mut BTreeSet<String>) -> Value {
        let kind = text(attribute, "type");
        let mut schema = match kind.strip_suffix("_t") {
            None if kind == FREE => json!({ "type": "object" }),
            None => {
                wanted.insert(kind.clone());
                json!({ "$ref": format!("#/$defs/{kind}") })
            }
            Some(_) => self.data_type(name, &kind),
        };
        if let Some(values) = attribute.get("enum").and_then(Value::as_object) {
            let values = values.keys().map(|key| match schema["type"] == "integer" {
                true => json!(key.parse::<i64>().unwrap_or_else(|_| panic!("{name}: {key} is no number"))),
                false => json!(key),
            });
            schema["enum"] = values.collect();
        }
        if attribute["is_array"] == true { json!({ "type": "array", "items": schema }) } else { schema }
    }

    /// A data type with the rules of those that it is made of.
    fn data_type(&self, name: &str, kind: &str) -> Value {
        let definition = self.types.get(kind).unwrap_or_else(|| panic!("{name}: there is no data type {kind}"));
        let mut schema = match kind {
            "string_t" => json!({ "type": "string" }),
            "integer_t" => json!({ "type": "integer" }),
            "long_t" => json!({ "type": "integer", "minimum": i64::MIN, "maximum": i64::MAX }),
            "float_t" => json!({ "type": "number" }),
            "boolean_t" => json!({ "type": "boolean" }),
            "json_t" => json!({}),
            _ => self.data_type(name, &text(definition, "type")),
        };
        if let Some(regex) = definition.get("regex") {
            schema["pattern"] = regex.clone();
        }
        if let Some(most) = definition.get("max_len") {
            schema["maxLength"] = most.clone();
        }
        if let Some(range) = definition.get("range").and_then(Value::as_array) {
            (schema["minimum"], schema["maximum"]) = (range[0].clone(), range[1].clone());
        }
        schema
    }
}

/// A number and the text beside it: the caption, or the source's own word beside [`OTHER`], which must be there.
fn siblings(name: &str, attribute: &Value) -> Vec<Value> {
    let (Some(sibling), Some(values)) = (attribute["sibling"].as_str(), attribute["enum"].as_object()) else {
        return Vec::new();
    };
    let rule = |(key, value): (&String, &Value)| {
        let number: Value = key.parse::<i64>().map_or_else(|_| json!(key), |number| json!(number));
        let when = json!({ "required": [name], "properties": { name: { "const": number } } });
        match value.get("caption") {
            _ if key == OTHER => Some(json!({ "if": when, "then": { "required": [sibling] } })),
            Some(caption) => Some(json!({ "if": when, "then": { "properties": { sibling: { "const": caption } } } })),
            None => None,
        }
    };
    values.iter().filter_map(rule).collect()
}

/// A definition with everything that it extends and includes.
fn resolved(folder: &Path, raw: &BTreeMap<String, Value>, name: &str) -> Resolved {
    let own = raw.get(name).unwrap_or_else(|| panic!("there is no {name}"));
    let parent = own.get("extends").and_then(Value::as_str);
    let mut result = parent.map(|parent| resolved(folder, raw, parent)).unwrap_or_default();
    result.caption = text(own, "caption");
    if let Some(category) = own.get("category").and_then(Value::as_str) {
        category.clone_into(&mut result.category);
    }
    result.uid = own.get("uid").and_then(Value::as_u64);
    for profile in own.get("profiles").and_then(Value::as_array).into_iter().flatten() {
        result.profiles.insert(profile.as_str().expect("a name").to_owned());
    }
    let mut attributes = map(own, "attributes");
    for file in attributes.remove("$include").as_ref().and_then(Value::as_array).into_iter().flatten() {
        let profile = read(&folder.join(file.as_str().expect("a path")));
        for (name, mut attribute) in map(&profile, "attributes") {
            attribute["profile"] = profile["name"].clone();
            merge(result.attributes.entry(name).or_insert_with(|| json!({})), &attribute);
        }
    }
    for (name, attribute) in attributes {
        merge(result.attributes.entry(name).or_insert_with(|| json!({})), &attribute);
    }
    if let Some(constraints) = own.get("constraints").and_then(Value::as_object) {
        result.constraints = constraints.clone();
    }
    result
}

/// Lays one value over another, objects member by member.
fn merge(into: &mut Value, over: &Value) {
    match (into, over) {
        (Value::Object(into), Value::Object(over)) => {
            for (name, value) in over {
                merge(into.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (into, over) => into.clone_from(over),
    }
}

fn category_uid(categories: &Map<String, Value>, name: &str) -> u64 {
    categories.get(name).and_then(|category| category["uid"].as_u64()).unwrap_or(0)
}

/// Every definition below a folder, by name.
fn all(folder: &Path) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(all(&path));
        } else if path.extension().is_some_and(|kind| kind == "json") {
            let value = read(&path);
            found.insert(text(&value, "name"), value);
        }
    }
    found
}

fn read(file: &Path) -> Value {
    let bytes = std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn map(value: &Value, name: &str) -> Map<String, Value> {
    value[name].as_object().cloned().unwrap_or_else(|| panic!("no object `{name}`"))
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("no text `{name}`")).to_owned()
}

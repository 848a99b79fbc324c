//! A network's options against the JSON Schema that its adapter gives for them.

use std::{fmt, sync::Arc};

use jsonschema::{PatternOptions, ValidationError, Validator, error::ValidationErrorKind};
use serde_json::Value;

use super::error::ConfigFault;

/// Faults that are reported at once.
const FAULTS_MAX: usize = 32;
/// Longest message of a fault.
const FAULT_CHARS_MAX: usize = 300;

/// A JSON Schema (2020-12) of options, compiled once. Patterns are matched in linear time, and no reference leaves the schema.
#[derive(Clone)]
pub struct OptionSchema {
    schema: Arc<Value>,
    validator: Arc<Validator>,
}

impl OptionSchema {
    /// Compiles it.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the schema.
    pub fn new(schema: Value) -> Result<Self, String> {
        let validator = jsonschema::options().with_pattern_options(PatternOptions::regex()).build(&schema);
        match validator {
            Ok(validator) => Ok(Self { schema: Arc::new(schema), validator: Arc::new(validator) }),
            Err(error) => {
                let why: String = error.to_string().chars().take(FAULT_CHARS_MAX).collect();
                Err(format!("the option schema is not a JSON Schema: {why}"))
            }
        }
    }

    /// The schema.
    pub fn schema(&self) -> &Value {
        &self.schema
    }

    /// What does not fit, each with its pointer into the options. Values are not repeated.
    pub fn faults(&self, options: &Value) -> Vec<ConfigFault> {
        let faults = self.validator.iter_errors(options).take(FAULTS_MAX);
        faults.flat_map(|error| self.places(&error)).take(FAULTS_MAX).collect()
    }

    /// A superfluous name is blamed itself, not the object that it is in.
    fn places(&self, error: &ValidationError<'_>) -> Vec<ConfigFault> {
        let at = error.instance_path().as_str();
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected }
            | ValidationErrorKind::UnevaluatedProperties { unexpected } => unexpected
                .iter()
                .map(|name| ConfigFault {
                    pointer: format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")),
                    message: self.unknown(at, name),
                })
                .collect(),
            _ => {
                let message = error.masked().to_string().chars().take(FAULT_CHARS_MAX).collect();
                vec![ConfigFault { pointer: at.to_owned(), message }]
            }
        }
    }

    fn unknown(&self, at: &str, name: &str) -> String {
        let name: String = name.chars().take(64).collect();
        let known = self.schema.get("properties").and_then(Value::as_object).filter(|_| at.is_empty());
        match known {
            Some(known) if !known.is_empty() => {
                let names = known.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
                format!("there is no option `{name}`; there are {names}")
            }
            _ => format!("there is no option `{name}`"),
        }
    }
}

impl fmt::Debug for OptionSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OptionSchema").field(&self.schema).finish()
    }
}

impl PartialEq for OptionSchema {
    fn eq(&self, other: &Self) -> bool {
        self.schema == other.schema
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_fault_has_its_pointer_and_repeats_no_value() {
        let schema = json!({"type": "object", "additionalProperties": false,
            "properties": {"visibility": {"enum": ["public", "direct"]}, "sensitive": {"type": "boolean"}}});
        let schema = OptionSchema::new(schema).unwrap();
        assert_eq!(schema.faults(&json!({"visibility": "direct"})), []);
        let faults = schema.faults(&json!({"visiblity": "direct", "sensitive": "geheim", "visibility": "geheim"}));
        let mut pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        pointers.sort_unstable();
        assert_eq!(pointers, ["/sensitive", "/visibility", "/visiblity"]);
        assert!(faults.iter().all(|fault| !fault.message.contains("geheim")), "{faults:?}");
        assert!(faults.iter().any(|fault| fault.message.contains("there are `visibility`, `sensitive`")), "{faults:?}");
    }

    #[test]
    fn what_is_no_schema_or_reaches_out_is_refused() {
        for schema in [json!({"type": "nonsense"}), json!({"$ref": "https://elsewhere.example/schema.json"}), json!(7)]
        {
            assert!(OptionSchema::new(schema.clone()).is_err(), "{schema}");
        }
    }
}

//! A plugin's configuration against the plugin's JSON Schema, with the line of each fault.

use jsonschema::{PatternOptions, ValidationError, error::ValidationErrorKind};
use serde_json::Value;

use super::{
    json::{Located, escaped},
    table::{Entry, Report},
};
use crate::model::PluginName;

/// The most faults that are listed for one configuration.
const FAULTS_MAX: usize = 50;

/// Reports what does not fit. Patterns are matched in linear time, and no reference leaves the schema.
pub(super) fn validate(schema: &Value, config: &Located, plugin: &PluginName, entry: &Entry<'_>, report: &Report) {
    let options = jsonschema::options().with_pattern_options(PatternOptions::regex());
    let validator = match options.build(schema) {
        Ok(validator) => validator,
        Err(error) => {
            let message = format!("the configuration schema of the plugin `{plugin}` is unusable: {}", error.masked());
            return entry.fault(entry.line_of("plugin"), report, message);
        }
    };
    for error in validator.iter_errors(&config.value).take(FAULTS_MAX) {
        for (pointer, message) in places(&error) {
            // A part that could not be taken over has been reported, and its stand-in is not the writer's fault.
            if config.is_unusable(&pointer) {
                continue;
            }
            let at = if pointer.is_empty() { "the configuration".to_owned() } else { format!("`{pointer}`") };
            let (file, line) = (config.file.as_str(), config.line_of(&pointer));
            if file == entry.file() {
                entry.fault(line, report, format!("`config`: {at}: {message}"));
            } else {
                report.fault(file, line, format!("{at}: {message}"));
            }
        }
    }
}

/// JSON pointer and text of what is wrong. A superfluous key is blamed itself, not the object that it is in.
fn places(error: &ValidationError<'_>) -> Vec<(String, String)> {
    let at = error.instance_path().as_str();
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => unexpected
            .iter()
            .map(|key| (format!("{at}/{}", escaped(key)), "the plugin does not know this key".to_owned()))
            .collect(),
        _ => vec![(at.to_owned(), error.masked().to_string())],
    }
}

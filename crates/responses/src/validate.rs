//! Whether an answer fits the JSON schema that was asked for.

use serde_json::Value;

/// How many faults are told at once.
const MOST_FAULTS: usize = 5;

/// Checks a text against a schema.
///
/// # Errors
/// What is wrong, in words that the model that wrote it can mend it by.
pub(crate) fn fits(schema: &Value, text: &str) -> Result<(), String> {
    let answer: Value = serde_json::from_str(text.trim())
        .map_err(|error| format!("It is not valid JSON: {error}."))?;
    // A schema that nobody can read asks for nothing; the lint has refused what it could.
    let Ok(validator) = jsonschema::validator_for(schema) else { return Ok(()) };
    let faults: Vec<String> = validator
        .iter_errors(&answer)
        .take(MOST_FAULTS)
        .map(|error| format!("At `{}`: {error}.", error.instance_path()))
        .collect();
    if faults.is_empty() { Ok(()) } else { Err(faults.join(" ")) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_fault_is_told_with_its_place() {
        let schema = json!({
            "type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"],
        });
        assert_eq!(fits(&schema, " {\"age\": 7}\n"), Ok(()));
        assert!(fits(&schema, "{\"age\": \"7\"}").unwrap_err().contains("/age"));
        assert!(fits(&schema, "{}").unwrap_err().contains("age"));
        assert!(fits(&schema, "age: 7").unwrap_err().contains("not valid JSON"));
    }
}

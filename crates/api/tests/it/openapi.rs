//! The OpenAPI document says what is served, and is sound in itself.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::app::TestApp;

/// An operation of the document.
#[derive(Debug, Clone)]
pub(crate) struct Served {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) id: String,
    /// Whether it is for everybody.
    pub(crate) open: bool,
}

pub(crate) async fn document(app: &TestApp) -> Value {
    let answer = app.ask("GET", "/openapi.json", "", Value::Null).await;
    assert_eq!(answer.status, 200);
    answer.json()
}

/// Every operation that is served.
pub(crate) async fn operations(app: &TestApp) -> Vec<Served> {
    let document = document(app).await;
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            operations.push(Served {
                method: method.to_uppercase(),
                path: path.clone(),
                id: operation["operationId"].as_str().unwrap().to_owned(),
                open: operation["security"] == serde_json::json!([{}]),
            });
        }
    }
    assert!(operations.len() > 40, "{}", operations.len());
    operations
}

fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(target) if name == "$ref" => drop(found.insert(target)),
                    value => references(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn every_reference_resolves() {
    let app = TestApp::start().await;
    let document = document(&app).await;
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.len() > 20, "{found:?}");
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

#[tokio::test]
async fn every_path_parameter_is_described_and_every_id_is_unique() {
    let app = TestApp::start().await;
    let document = document(&app).await;
    let mut ids = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let template: BTreeSet<&str> =
            path.split('{').skip(1).map(|rest| rest.split('}').next().unwrap()).collect();
        for operation in methods.as_object().unwrap().values() {
            let none = Vec::new();
            let parameters = operation["parameters"].as_array().unwrap_or(&none);
            let in_path = parameters.iter().filter(|parameter| parameter["in"] == "path");
            let described = in_path.map(|parameter| parameter["name"].as_str().unwrap()).collect();
            assert_eq!(template, described, "{path}");
            let names: BTreeSet<&str> =
                parameters.iter().map(|parameter| parameter["name"].as_str().unwrap()).collect();
            assert_eq!(names.len(), parameters.len(), "{path} describes a parameter twice");
            assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{path}");
            let answers = operation["responses"].as_object().unwrap();
            assert!(["101", "200", "204"].iter().any(|ok| answers.contains_key(*ok)), "{path}");
        }
    }
}

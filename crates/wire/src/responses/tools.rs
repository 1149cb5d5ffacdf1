//! The names of tools. A request of the Responses API has custom tools and namespaces of tools; a
//! chat has functions with plain names only. Here each tool gets its name in a chat, the same
//! whenever the same tools are offered, and the way back.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

/// The longest name of a function in a chat.
const LONGEST: usize = 64;

/// What the names of functions in a chat mean to the client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolNames {
    /// Those that stand for custom tools.
    pub custom: HashSet<String>,
    /// Those that stand for a tool of a namespace: the namespace, and the name within it.
    pub namespaced: HashMap<String, (String, String)>,
}

impl ToolNames {
    /// The names of these tools.
    pub(super) fn of(tools: &[Flat<'_>]) -> Self {
        let mut names = Self::default();
        for flat in tools {
            if flat.custom {
                names.custom.insert(flat.name.clone());
            }
            if let Some(namespace) = flat.namespace {
                let meant = (namespace.to_owned(), flat.own_name().to_owned());
                names.namespaced.insert(flat.name.clone(), meant);
            }
        }
        names
    }

    /// A tool's name in the chat. One that is no longer offered has the name that it would have
    /// if nothing stood in its way.
    pub(super) fn in_chat(&self, namespace: Option<&str>, name: &str) -> String {
        let Some(namespace) = namespace.filter(|namespace| !namespace.is_empty()) else {
            return name.to_owned();
        };
        let offered = self.namespaced.iter().find(|(_, (of, own))| of == namespace && own == name);
        match offered {
            Some((in_chat, _)) => in_chat.clone(),
            None => free_name(&joined(namespace, name), &HashSet::new()),
        }
    }
}

/// A tool that a chat can have, wherever in the request it stood.
#[derive(Clone, Debug)]
pub(super) struct Flat<'a> {
    /// Its name in the chat.
    pub(super) name: String,
    /// Whether it is a custom tool.
    pub(super) custom: bool,
    /// The namespace that it is of.
    pub(super) namespace: Option<&'a str>,
    /// The tool itself.
    pub(super) tool: &'a Value,
}

impl<'a> Flat<'a> {
    fn own_name(&self) -> &'a str {
        text(self.tool, "name").unwrap_or_default()
    }
}

/// Every tool that a request offers: its own, and those that items of its context add.
pub(super) fn offered<'a>(tools: &'a [Value], items: &'a [Value]) -> Vec<&'a Value> {
    let added = items
        .iter()
        .filter(|item| text(item, "type") == Some("additional_tools"))
        .filter_map(|item| item.get("tools")?.as_array())
        .flatten();
    tools.iter().chain(added).collect()
}

/// Those of these tools that a chat can have: functions and custom tools, those of namespaces too.
/// What only OpenAI itself can do is left out. Of two with one name, the first counts.
pub(super) fn flatten<'a>(tools: &[&'a Value]) -> Vec<Flat<'a>> {
    // A plain name must stay what it is, so all of them are given out before any other.
    let plain: HashSet<&str> = tools.iter().filter_map(|tool| callable(tool)).collect();
    let mut taken: HashSet<String> = plain.into_iter().map(str::to_owned).collect();
    let mut seen: HashSet<(Option<&str>, &str)> = HashSet::new();
    let mut flat = Vec::new();
    for tool in tools {
        let (namespace, tools) = members(tool);
        for tool in tools {
            let Some(own) = callable(tool) else { continue };
            if !seen.insert((namespace, own)) {
                continue;
            }
            let name = match namespace {
                None => own.to_owned(),
                Some(namespace) => free_name(&joined(namespace, own), &taken),
            };
            taken.insert(name.clone());
            let custom = text(tool, "type") == Some("custom");
            flat.push(Flat { name, custom, namespace, tool });
        }
    }
    flat
}

/// A namespace's name and its tools; of everything else, the tool alone.
fn members(tool: &Value) -> (Option<&str>, &[Value]) {
    if text(tool, "type") != Some("namespace") {
        return (None, std::slice::from_ref(tool));
    }
    let tools = tool.get("tools").and_then(Value::as_array).map(Vec::as_slice);
    (Some(text(tool, "name").unwrap_or_default()), tools.unwrap_or_default())
}

/// The name of a tool that the client itself answers.
fn callable(tool: &Value) -> Option<&str> {
    text(tool, "name").filter(|_| matches!(text(tool, "type"), Some("function" | "custom")))
}

fn joined(namespace: &str, name: &str) -> String {
    // Namespaces of MCP servers bring their own separator: `mcp__github__`.
    let separator = if namespace.ends_with('_') { "" } else { "__" };
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let joined = format!("{namespace}{separator}{name}");
    joined.chars().map(|c| if allowed(c) { c } else { '_' }).collect()
}

/// The name, cut and numbered where it is too long or taken. It is ASCII.
fn free_name(name: &str, taken: &HashSet<String>) -> String {
    let fits = |name: &String| name.len() <= LONGEST && !taken.contains(name);
    let numbered = (2_u32..).map(|number| {
        let suffix = format!("_{number}");
        let end = name.len().min(LONGEST.saturating_sub(suffix.len()));
        format!("{}{suffix}", name.get(..end).unwrap_or_default())
    });
    std::iter::once(name.to_owned()).chain(numbered).find(fits).unwrap_or_default()
}

fn text<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    value.get(field)?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn names(tools: &Value) -> Vec<(String, Option<String>)> {
        let tools: Vec<&Value> = tools.as_array().unwrap().iter().collect();
        let named = |flat: Flat<'_>| (flat.name, flat.namespace.map(str::to_owned));
        flatten(&tools).into_iter().map(named).collect()
    }

    #[test]
    fn namespaces_are_flattened_and_hosted_tools_left_out() {
        let tools = json!([
            {"type": "web_search"},
            {"type": "namespace", "name": "mcp__git__", "tools": [
                {"type": "function", "name": "log"}, {"type": "mystery", "name": "x"}]},
            {"type": "namespace", "name": "web", "tools": [{"type": "custom", "name": "fetch"}]},
            {"type": "function", "name": "web__fetch"},
            {"type": "function", "name": "web__fetch"},
        ]);
        let found = names(&tools);
        let expected = [
            ("mcp__git__log", Some("mcp__git__")),
            // The plain name was there first, though it comes later.
            ("web__fetch_2", Some("web")),
            ("web__fetch", None),
        ];
        assert_eq!(found, expected.map(|(name, of)| (name.to_owned(), of.map(str::to_owned))));
    }

    #[test]
    fn every_name_finds_its_way_back() {
        let long = "n".repeat(80);
        let tools = json!([
            {"type": "namespace", "name": long, "tools": [
                {"type": "function", "name": "a"}, {"type": "custom", "name": "b"}]},
            {"type": "custom", "name": "patch"},
        ]);
        let tools: Vec<&Value> = tools.as_array().unwrap().iter().collect();
        let flat = flatten(&tools);
        let names = ToolNames::of(&flat);
        for flat in &flat {
            assert!(flat.name.len() <= LONGEST);
            assert_eq!(names.in_chat(flat.namespace, flat.own_name()), flat.name);
        }
        assert_eq!(names.namespaced.len(), 2);
        assert_eq!(names.custom.len(), 2);
        assert!(names.custom.contains("patch"));
        assert_eq!(names.in_chat(Some("gone"), "tool é"), "gone__tool__");
    }
}

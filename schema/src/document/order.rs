//! `customers/<id>/orders/<id>.yaml`: what a customer bought.

use super::server::Drift;
use crate::id::{OrderId, ServerId, ToolName};
use crate::map::SharedMap;
use crate::name::{DomainName, HeaderName, HeaderValue, VariableName};
use jiff::civil::Date;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// An example for the schema.
const OLD_NAMES: &[&str] = &["old.acme.example"];

/// An order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// A plan of `hub.yaml`.
    #[schemars(example = &"pro")]
    pub plan: String,
    /// Tools answer at `<tool>.<domain>`.
    pub domain: DomainName,
    /// The server that it runs on, of the same customer. Absent: the hub chooses and commits a decision.
    #[serde(default)]
    pub server: Option<ServerId>,
    /// How far it goes without a person.
    #[serde(default)]
    pub automation: Automation,
    /// Last day of the trial. Absent: there is none.
    #[serde(default, deserialize_with = "super::operation::day")]
    #[schemars(example = &"2026-12-05")]
    pub trial_ends: Option<Date>,
    /// The id that the order had first, where its file was renamed: it stays the same order, with its decisions, containers and data.
    /// Absent: the file's name is its id.
    #[serde(default)]
    pub moved_from: Option<OrderId>,
    /// What runs, by tool. A plain list stands for tools without settings.
    #[serde(default, deserialize_with = "tools")]
    #[schemars(schema_with = "tools_schema")]
    pub tools: BTreeMap<ToolName, Tool>,
}

/// How far an order goes without a person.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Automation {
    /// All the way.
    #[default]
    Auto,
    /// A person lets it go on: until the hub knows how they do that, the same as `paused`.
    Manual,
    /// Nothing new is decided: what runs goes on and follows edits.
    Paused,
}

/// One tool of an order. Everything has a default: `umami:` alone is enough.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tool {
    /// Whether it runs. `stopped` keeps its data and takes its site down.
    pub state: State,
    /// `false` is the same as `state: stopped`, as a switch that acts at once. Absent: `state` decides.
    pub enabled: Option<bool>,
    /// What happens to what people or accidents change of it. Absent: what the server says.
    pub drift: Option<Drift>,
    /// Values of the stack's parameters.
    pub parameters: SharedMap<VariableName, String>,
    /// More variables for the Compose file: plain values or `{secret: name}` from the customer's `secrets.yaml`.
    pub env: SharedMap<VariableName, EnvValue>,
    /// Response headers that the web server adds, in place of those of the stack and of what the service says. An empty value takes a
    /// header away.
    pub headers: SharedMap<HeaderName, HeaderValue>,
    /// Names that the tool had before, at or below the order's domain: they lead to its first site.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = OLD_NAMES)]
    pub redirect_from: Vec<DomainName>,
    /// A pin by hand: the id of a commit whose version of the stack runs, or `main` to follow the branch. Absent: the decision holds.
    #[schemars(example = &"main")]
    pub revision: Option<String>,
    /// The name that the tool had first, where its stack was renamed: it stays the same tool, with its name on the server, pin, ports, secrets,
    /// volumes and public names. Absent: its key is its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moved_from: Option<ToolName>,
    /// The key that it stands under, where that is not its name. Never written.
    #[serde(skip)]
    #[schemars(skip)]
    pub written: Option<ToolName>,
    /// `false`: no backups are made of it, and those that are there stay. Absent: backups are made as the stack declares.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup: Option<bool>,
}

impl Tool {
    /// The stack that it is made of: the key that it stands under. `name` is its name.
    pub fn stack<'t>(&'t self, name: &'t ToolName) -> &'t ToolName {
        self.written.as_ref().unwrap_or(name)
    }

    /// What is wanted, of the two ways to say it.
    pub fn wanted_state(&self) -> State {
        match (self.enabled, self.state) {
            (Some(false), _) | (_, State::Stopped) => State::Stopped,
            _ => State::Running,
        }
    }
}

/// Whether a tool runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Containers and sites are up.
    #[default]
    Running,
    /// Containers are stopped, sites are taken down, data stays.
    Stopped,
}

/// A plain value, or where to find a secret one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(deny_unknown_fields)]
pub enum EnvValue {
    /// As written.
    Plain(String),
    /// A key of the customer's `secrets.yaml`.
    Secret {
        /// The key.
        secret: String,
    },
}

impl<'de> Deserialize<'de> for EnvValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = EnvValue;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or `{secret: name}`")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<EnvValue, E> {
                Ok(EnvValue::Plain(text.to_owned()))
            }
            fn visit_bool<E: de::Error>(self, value: bool) -> Result<EnvValue, E> {
                Ok(EnvValue::Plain(value.to_string()))
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<EnvValue, E> {
                Ok(EnvValue::Plain(value.to_string()))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<EnvValue, E> {
                Ok(EnvValue::Plain(value.to_string()))
            }
            fn visit_newtype_struct<D: Deserializer<'de>>(
                self,
                deserializer: D,
            ) -> Result<EnvValue, D::Error> {
                deserializer.deserialize_any(self)
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<EnvValue, E> {
                Ok(EnvValue::Plain(value.to_string()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<EnvValue, A::Error> {
                #[derive(Deserialize)]
                #[serde(deny_unknown_fields)]
                struct Reference {
                    secret: String,
                }
                let reference = Reference::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(EnvValue::Secret {
                    secret: reference.secret,
                })
            }
        }
        // Of a scalar the reader gives the text that was written: `0755` and `1.10` stay what they are.
        deserializer.deserialize_newtype_struct(AS_WRITTEN, Either)
    }
}

/// Asks our YAML reader for a scalar's text as it was written; other readers take it for the name of a type.
pub(super) const AS_WRITTEN: &str = "$as_written";

fn tools_schema(generator: &mut SchemaGenerator) -> Schema {
    let map = generator.subschema_for::<BTreeMap<ToolName, Option<Tool>>>();
    let list = generator.subschema_for::<Vec<ToolName>>();
    json_schema!({ "anyOf": [map, { "uniqueItems": true, "allOf": [list] }], "default": {} })
}

fn tools<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<ToolName, Tool>, D::Error> {
    struct Tools;
    impl<'de> Visitor<'de> for Tools {
        type Value = BTreeMap<ToolName, Tool>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("tools by name, or a list of names")
        }
        fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
            Ok(BTreeMap::new())
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut tools = BTreeMap::new();
            while let Some(name) = seq.next_element::<ToolName>()? {
                let again = name.clone();
                if tools.insert(name, Tool::default()).is_some() {
                    return Err(de::Error::custom(format!("`{again}` is listed twice")));
                }
            }
            Ok(tools)
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut tools = BTreeMap::new();
            while let Some((name, tool)) = map.next_entry::<ToolName, Option<Tool>>()? {
                tools.insert(name, tool.unwrap_or_default());
            }
            Ok(tools)
        }
    }
    deserializer.deserialize_any(Tools)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(json: &str) -> Result<Order, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn a_list_is_short_for_tools_without_settings() {
        let list =
            order(r#"{"plan":"pro","domain":"acme.example","tools":["html","umami"]}"#).unwrap();
        let map =
            order(r#"{"plan":"pro","domain":"acme.example","tools":{"html":null,"umami":{}}}"#)
                .unwrap();
        assert_eq!(list, map);
        assert!(
            order(r#"{"plan":"pro","domain":"acme.example","tools":["html","html"]}"#).is_err()
        );
    }

    #[test]
    fn values_and_references() {
        let json = r#"{"plan":"p","domain":"a.example","tools":{"umami":{"env":{"A":"x","B":{"secret":"s"},"C":7,"D":true}}}}"#;
        let order = order(json).unwrap();
        let env = &order.tools.values().next().unwrap().env;
        let text: Vec<_> = env.values().cloned().collect();
        assert_eq!(
            text,
            [
                EnvValue::Plain("x".into()),
                EnvValue::Secret { secret: "s".into() },
                EnvValue::Plain("7".into()),
                EnvValue::Plain("true".into())
            ]
        );
    }

    #[test]
    fn two_ways_to_stop() {
        let stopped = Tool {
            state: State::Stopped,
            ..Tool::default()
        };
        let disabled = Tool {
            enabled: Some(false),
            ..Tool::default()
        };
        assert_eq!(stopped.wanted_state(), State::Stopped);
        assert_eq!(disabled.wanted_state(), State::Stopped);
        assert_eq!(Tool::default().wanted_state(), State::Running);
    }
}

//! What uses a secret: orders that refer to what people gave, stacks that declare what is generated, containers that a new value restarts.

mod declared;

pub use declared::Declared;

use super::{SecretsError, WorkTree, rules};
use std::collections::{BTreeMap, BTreeSet};
use tenantry_schema::document::{EnvValue, Kind, Order, ToolDecision, classify};
use tenantry_schema::id::{CustomerId, OrderId, ToolName};

/// One reference of an order to a secret that people gave.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    /// Whose order.
    pub customer: CustomerId,
    /// Which one, by the id that it keeps.
    pub order: OrderId,
    /// The tool that gets the value, by the name that it keeps.
    pub tool: ToolName,
    /// The stack that it is made of.
    pub stack: ToolName,
    /// The order's file.
    pub path: String,
    /// In this variable.
    pub variable: String,
    /// The name in the customer's `secrets.yaml`.
    pub secret: String,
}

/// What orders say of secrets and of stacks.
#[derive(Debug, Default)]
pub struct Orders {
    /// Every reference to a secret that people gave, in order.
    pub uses: Vec<Use>,
    /// The stacks of tools that are not called as their stack is.
    renamed: BTreeMap<(CustomerId, OrderId, ToolName), ToolName>,
    /// The names of the files of orders that were renamed, by the id that they keep.
    written: BTreeMap<(CustomerId, OrderId), OrderId>,
}

impl Orders {
    /// Reads those among these files. Orders with errors are left out; `check` tells of them.
    pub fn read(tree: &WorkTree, files: &[String]) -> Self {
        let mut all = Self::default();
        for path in files {
            if let Kind::Order(customer, file) = classify(path)
                && let Ok(Some(document)) = rules::document::<Order>(tree, path)
            {
                all.add(path, &customer, file, &document);
            }
        }
        all.uses.sort();
        all
    }

    /// Reads those of one customer.
    fn of(tree: &WorkTree, customer: &CustomerId) -> Self {
        let folder = format!("fleet/customers/{customer}/orders");
        let there = std::fs::read_dir(tree.root().join(&folder));
        let names = there.into_iter().flatten().flatten();
        let names = names.filter_map(|entry| entry.file_name().into_string().ok());
        let files: Vec<String> = names.map(|name| format!("{folder}/{name}")).collect();
        Self::read(tree, &files)
    }

    /// The stack that a tool is made of.
    pub fn stack(&self, customer: &CustomerId, order: &OrderId, tool: &ToolName) -> ToolName {
        let key = (customer.clone(), order.clone(), tool.clone());
        self.renamed.get(&key).unwrap_or(tool).clone()
    }

    /// The override file of a tool, if it has one: it may name order and tool as the files and keys are called, or by the ids that these keep.
    fn over(
        &self,
        tree: &WorkTree,
        customer: &CustomerId,
        order: &OrderId,
        tool: &ToolName,
    ) -> Result<Option<String>, SecretsError> {
        let written = self.written.get(&(customer.clone(), order.clone()));
        let stack = self.stack(customer, order, tool);
        let names: BTreeSet<_> = [order, written.unwrap_or(order)]
            .into_iter()
            .flat_map(|order| [(order, tool), (order, &stack)])
            .collect();
        for (order, tool) in names {
            let path = format!("fleet/customers/{customer}/overrides/{order}.{tool}.yaml");
            if let Some(text) = tree.read(&path)? {
                return Ok(Some(text));
            }
        }
        Ok(None)
    }

    fn add(&mut self, path: &str, customer: &CustomerId, file: OrderId, document: &Order) {
        let order = document.moved_from.clone().unwrap_or_else(|| file.clone());
        if order != file {
            let key = (customer.clone(), order.clone());
            self.written.insert(key, file);
        }
        for (stack, settings) in &document.tools {
            let tool = settings.moved_from.as_ref().unwrap_or(stack);
            if tool != stack {
                let key = (customer.clone(), order.clone(), tool.clone());
                self.renamed.insert(key, stack.clone());
            }
            for (variable, value) in &settings.env {
                if let EnvValue::Secret { secret } = value {
                    self.uses.push(Use {
                        customer: customer.clone(),
                        order: order.clone(),
                        tool: tool.clone(),
                        stack: stack.clone(),
                        path: path.to_owned(),
                        variable: variable.to_string(),
                        secret: secret.clone(),
                    });
                }
            }
        }
    }
}

/// The tree of the stack that a tool is pinned to.
pub fn pin(
    tree: &WorkTree,
    customer: &CustomerId,
    order: &OrderId,
    tool: &ToolName,
) -> Result<Option<String>, SecretsError> {
    let decision = format!("fleet/decisions/{customer}/{order}/tools/{tool}.yaml");
    let decision = rules::document::<ToolDecision>(tree, &decision)?;
    Ok(decision.map(|decision| decision.pin.tree))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renamed_tool_is_of_the_stack_that_it_stands_under() {
        let folder = tempfile::tempdir().unwrap();
        git2::Repository::init(folder.path()).unwrap();
        let put = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let stack =
            |secret: &str| format!("title: x\nsecrets: {{ {secret}: {{}} }}\nmemory: 64M\n");
        put("stacks/page/stack.yaml", &stack("NEW"));
        put("stacks/html/stack.yaml", &stack("OLD"));
        let order = "fleet/customers/acme/orders/site.yaml";
        put(
            order,
            "plan: pro\ndomain: acme.example\nmoved_from: web\ntools:\n  page: { moved_from: html, env: { KEY: { secret: k } } }\n",
        );
        let tree = WorkTree::open(folder.path()).unwrap();
        let (customer, web) = ("acme".try_into().unwrap(), "web".try_into().unwrap());
        let html = ToolName::try_from("html").unwrap();
        let declared = || {
            let found = Declared::read(&tree, &customer, &web, &html);
            found
                .unwrap()
                .unwrap()
                .secrets
                .into_keys()
                .collect::<Vec<_>>()
        };
        assert_eq!(declared(), ["NEW"]);
        let orders = Orders::read(&tree, &[order.to_owned()]);
        let [used] = orders.uses.as_slice() else {
            panic!("{orders:?}")
        };
        assert_eq!(
            (&used.order, &used.tool, used.path.as_str()),
            (&web, &html, order)
        );
        assert_eq!(
            (
                used.stack.as_str(),
                orders.stack(&customer, &web, &html).as_str()
            ),
            ("page", "page")
        );
        // A pin whose version is not in this clone is none.
        let pin = format!(
            "pin: {{ tree: {0}, nginx: {0} }}\nports: {{}}\n",
            "1".repeat(40)
        );
        put("fleet/decisions/acme/web/tools/html.yaml", &pin);
        assert_eq!(declared(), ["NEW"]);
        // The override file may be called by what order and tool are called now, or were at first.
        for name in ["site.page", "site.html", "web.page", "web.html"] {
            let over = format!("fleet/customers/acme/overrides/{name}.yaml");
            put(&over, "services: { extra: { command: [$NEW] } }\n");
            let found = Declared::read(&tree, &customer, &web, &html).unwrap();
            let services = found.unwrap().services("NEW").into_iter();
            assert_eq!(services.collect::<Vec<_>>(), ["extra"], "{name}");
            std::fs::remove_file(folder.path().join(over)).unwrap();
        }
    }
}

//! What is to be made, with all its labels.

use super::{NewContainer, NewNetwork, NewVolume};
use crate::containers::desired::{InstanceInput, NetworkSpec, ServiceSpec, VolumeSpec};
use crate::containers::inputs::Digest;
use crate::containers::labels;
use std::collections::BTreeMap;

impl NewContainer {
    pub(in crate::containers) fn of(
        input: &InstanceInput,
        name: &str,
        service: &ServiceSpec,
        inputs: Digest,
        image_id: &str,
    ) -> Self {
        let depends_on: Vec<_> = service
            .depends_on
            .iter()
            .map(|(other, dependency)| {
                format!(
                    "{other}:{}:{}",
                    dependency.condition.as_str(),
                    dependency.restart
                )
            })
            .collect();
        let mut all = service.container.labels.clone();
        let working_dir = input.working_dir.display().to_string();
        for (label, value) in [
            (labels::PROJECT, input.project.clone()),
            (labels::SERVICE, name.to_owned()),
            (labels::NUMBER, "1".to_owned()),
            (labels::ONE_OFF, "False".to_owned()),
            (labels::CONFIG_HASH, inputs.to_string()),
            (labels::CONFIG_FILES, format!("{working_dir}/compose.yaml")),
            (labels::WORKING_DIR, working_dir),
            (labels::VERSION, labels::RELEASE.to_owned()),
            (labels::DEPENDS_ON, depends_on.join(",")),
            (labels::IMAGE, image_id.to_owned()),
            (labels::INPUTS, inputs.to_string()),
            (labels::KEEPER, input.keeper.clone()),
            (labels::INSTANCE, input.project.clone()),
        ] {
            all.insert(label.to_owned(), value);
        }
        if let Some(files) = &service.container.watched {
            all.insert(labels::FILES.to_owned(), files.clone());
        }
        Self {
            spec: service.container.clone(),
            labels: all,
            inputs,
            image_id: image_id.to_owned(),
        }
    }
}

impl NewNetwork {
    pub(in crate::containers) fn of(
        input: &InstanceInput,
        name: &str,
        spec: &NetworkSpec,
        inputs: &Digest,
    ) -> Self {
        let mut labels = scoped(input, &spec.labels, labels::NETWORK, &spec.key);
        labels.insert(labels::INPUTS.to_owned(), inputs.to_string());
        Self {
            name: name.to_owned(),
            spec: spec.clone(),
            labels,
        }
    }
}

impl NewVolume {
    pub(in crate::containers) fn of(input: &InstanceInput, name: &str, spec: &VolumeSpec) -> Self {
        let labels = scoped(input, &spec.labels, labels::VOLUME, &spec.key);
        Self {
            name: name.to_owned(),
            spec: spec.clone(),
            labels,
        }
    }
}

fn scoped(
    input: &InstanceInput,
    own: &BTreeMap<String, String>,
    kind: &str,
    key: &str,
) -> BTreeMap<String, String> {
    let mut all = own.clone();
    for (label, value) in [
        (kind, key),
        (labels::PROJECT, &input.project),
        (labels::VERSION, labels::RELEASE),
        (labels::KEEPER, &input.keeper),
        (labels::INSTANCE, &input.project),
    ] {
        all.insert(label.to_owned(), value.to_owned());
    }
    all
}

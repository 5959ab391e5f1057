//! Images for the stacks, built from Debian packages and from our own static binary, and pushed into the local
//! registry under the names that the stacks pull. Nothing comes from a public registry.
//!
//! Each image carries the digest of its recipe in the label [`RECIPE`], so that a second call only looks.

mod catalogue;
mod databases;
mod guestbook;
mod layer;
mod packages;

use std::fs::File;

use super::registry::Image;
use super::{Config, Engine, LabError, Registry};

pub use catalogue::{Recipe, catalogue, moving};
pub use layer::Layer;

/// Label with the digest of the recipe an image was built from.
pub const RECIPE: &str = "dev.tenantry.recipe";
/// Label with a sentence about what the image really is.
pub const ORIGIN: &str = "dev.tenantry.origin";

/// Makes every image of the catalogue available in the registry and in the engine.
///
/// An image that the engine already has under one of these names from elsewhere stays, unless the engine is one
/// that pulls through our registry.
pub async fn ensure(config: &Config, engine: &Engine, registry: &Registry) -> Result<(), LabError> {
    let recipes = catalogue(&config.repository)?;
    if all_present(engine, registry, &recipes).await? {
        return Ok(());
    }
    let _lock = lock(config).await?;
    for recipe in recipes {
        provide(config, engine, registry, recipe).await?;
    }
    Ok(())
}

/// Makes an image of [`moving`] available as well. Where it cannot be built, tests that need it are skipped.
pub async fn ensure_moving(
    config: &Config,
    engine: &Engine,
    registry: &Registry,
    recipe: Recipe,
) -> Result<(), LabError> {
    if all_present(engine, registry, std::slice::from_ref(&recipe)).await? {
        return Ok(());
    }
    let _lock = lock(config).await?;
    provide(config, engine, registry, recipe).await
}

async fn provide(
    config: &Config,
    engine: &Engine,
    registry: &Registry,
    recipe: Recipe,
) -> Result<(), LabError> {
    let ours = engine.mirrors(registry.address()).await?;
    let image = &recipe.image;
    if registry
        .labels(image)
        .await?
        .as_ref()
        .and_then(|labels| labels.get(RECIPE))
        != Some(&recipe.digest)
    {
        eprintln!("building image {} ({})", image.reference(), recipe.origin());
        let layer = build(config, recipe.clone()).await?;
        registry.push(image, layer).await?;
    }
    match engine.image_labels(&image.reference()).await? {
        Some(labels) if labels.get(RECIPE) == Some(&recipe.digest) => {}
        Some(labels) if !ours && !labels.contains_key(RECIPE) => {}
        _ => engine.pull(image, registry.address()).await?,
    }
    Ok(())
}

async fn all_present(
    engine: &Engine,
    registry: &Registry,
    recipes: &[Recipe],
) -> Result<bool, LabError> {
    for recipe in recipes {
        let digest = Some(&recipe.digest);
        let pushed = registry.labels(&recipe.image).await?;
        let pulled = engine.image_labels(&recipe.image.reference()).await?;
        if pushed.as_ref().and_then(|labels| labels.get(RECIPE)) != digest
            || pulled.as_ref().and_then(|labels| labels.get(RECIPE)) != digest
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Parallel test processes build each image once.
async fn lock(config: &Config) -> Result<File, LabError> {
    let folder = config.cache.join("images");
    blocking(move || {
        std::fs::create_dir_all(&folder)
            .map_err(LabError::io(format!("cannot make {}", folder.display())))?;
        let path = folder.join("lock");
        let file =
            File::create(&path).map_err(LabError::io(format!("cannot open {}", path.display())))?;
        file.lock()
            .map_err(LabError::io(format!("cannot lock {}", path.display())))?;
        Ok(file)
    })
    .await
}

async fn build(config: &Config, recipe: Recipe) -> Result<Vec<u8>, LabError> {
    let config = config.clone();
    blocking(move || {
        let mut layer = Layer::new();
        for step in &recipe.steps {
            layer.add(step)?;
        }
        if let Some(path) = recipe.program {
            let binary = guestbook::build(&config)?;
            let content = std::fs::read(&binary)
                .map_err(LabError::io(format!("cannot read {}", binary.display())))?;
            layer.add_file(path, 0o755, &content)?;
        }
        if !recipe.packages.names.is_empty() {
            layer.add_base_links()?;
            for package in packages::download(&config.cache.join("images"), &recipe.packages)? {
                layer.add_package(&package)?;
            }
        }
        layer.finish()
    })
    .await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LabError> + Send + 'static,
) -> Result<T, LabError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(failure) => Err(LabError::Program {
            program: "image builder".to_owned(),
            problem: failure.to_string(),
        }),
    }
}

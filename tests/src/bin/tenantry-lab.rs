//! Prepares the laboratory from the command line: `tenantry-lab images` builds what is missing,
//! `tenantry-lab clean MARK` removes what a killed run left behind.

use std::process::ExitCode;

use tenantry_tests::lab::{Config, Engine, LabError, Registry, images, with_causes};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["images"] => build_images().await,
        ["clean", mark] if mark.len() >= 4 => clean(mark).await,
        _ => {
            eprintln!(
                "usage: tenantry-lab images | tenantry-lab clean MARK (at least four characters)"
            );
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", with_causes(&error));
            ExitCode::FAILURE
        }
    }
}

async fn build_images() -> Result<(), LabError> {
    let config = Config::from_environment();
    let engine = Engine::connect().await?;
    let registry = Registry::connect(&config.registry).await?;
    images::ensure(&config, &engine, &registry).await?;
    for recipe in images::moving() {
        let name = recipe.image.reference();
        match images::ensure_moving(&config, &engine, &registry, recipe).await {
            Err(error) if config.mysql_required => return Err(error),
            Err(error) => eprintln!("skipped: image {name}: {}", with_causes(&error)),
            Ok(()) => {}
        }
    }
    Ok(())
}

async fn clean(mark: &str) -> Result<(), LabError> {
    Engine::connect().await?.remove_marked(mark).await
}

//! Images as package URLs (<https://github.com/package-url/purl-spec>, type `oci`).

use std::str::FromStr as _;

use oci_spec::distribution::Reference;
use packageurl::PackageUrl;

/// The package URL of an image: with its digest as the version where the reference has one. What no container runtime
/// would take for a reference is named as it is.
#[must_use]
pub fn package_url(image: &str) -> String {
    of_reference(image).unwrap_or_else(|| generic(image, None))
}

/// The package URL of a revision whose image is not known.
pub(crate) fn unknown(rollout: &str, revision: Option<&str>) -> String {
    generic(rollout, revision)
}

fn of_reference(image: &str) -> Option<String> {
    let reference = Reference::from_str(image).ok()?;
    let (registry, repository) = (reference.registry(), reference.repository());
    let name = repository.rsplit('/').next().unwrap_or(repository);
    let mut package = PackageUrl::new("oci", name).ok()?;
    if let Some(digest) = reference.digest() {
        package.with_version(digest.to_owned()).ok()?;
    }
    package
        .add_qualifier("repository_url", format!("{registry}/{repository}"))
        .ok()?;
    if let Some(tag) = reference.tag() {
        package.add_qualifier("tag", tag.to_owned()).ok()?;
    }
    Some(package.to_string())
}

fn generic(name: &str, version: Option<&str>) -> String {
    let package = PackageUrl::new("generic", name.to_owned()).and_then(|mut package| {
        if let Some(version) = version {
            package.with_version(version.to_owned())?;
        }
        Ok(package.to_string())
    });
    // An empty name is the only one that is none.
    package.unwrap_or_else(|_| "pkg:generic/unknown".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_and_the_place_are_qualifiers() {
        assert_eq!(
            package_url("registry.example:5000/shop/web:1.2"),
            "pkg:oci/web?repository_url=registry.example:5000%2Fshop%2Fweb&tag=1.2"
        );
    }

    #[test]
    fn a_digest_is_the_version() {
        let digest = "0b31b1c02ff458ad9b7b81cbdf8f028bd54699fa151f221d1e8de6817db93427";

        let url = package_url(&format!("registry.example/web@sha256:{digest}"));

        assert_eq!(
            url,
            format!("pkg:oci/web@sha256:{digest}?repository_url=registry.example%2Fweb")
        );
    }

    #[test]
    fn a_short_name_is_one_of_the_docker_hub() {
        assert!(package_url("nginx").contains("repository_url=docker.io%2Flibrary%2Fnginx"));
    }

    #[test]
    fn what_is_no_reference_is_named_all_the_same() {
        assert_eq!(package_url("Not An Image"), "pkg:generic/Not%20An%20Image");
        assert_eq!(package_url(""), "pkg:generic/unknown");
        assert_eq!(unknown("shop/web", Some("abc")), "pkg:generic/shop%2Fweb@abc");
    }
}

//! What a container is made from, beside what every backend is told.

/// What a container is made from, beside the launch.
#[derive(Debug, Clone)]
pub struct Template<'a> {
    /// The network it joins.
    pub network: &'a str,
    /// The engine's id of the image, if it is known.
    pub image_id: Option<&'a str>,
}

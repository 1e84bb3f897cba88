//! What is said where nothing was learnt.

use super::super::finding::told;
use super::*;

#[test]
fn what_could_not_be_tried_is_said_in_full() {
    let expected = [
        "Failure: a container like a runner's cannot be made: why → runners will not start either: look at RUNNER_MEMORY, RUNNER_CPUS and DOCKER_NETWORK, and at the engine's log",
        "Warning: what a runner can reach was not found out within 20 s → the engine is slow or busy: try again, or look at its log",
        "Warning: what a runner can reach cannot be tried with this image (i:1): why → name an image with /bin/sh, and bash or nc, that is on the engine, such as --probe-image debian:stable-slim",
    ];
    assert_eq!(told(&[refused("why"), late(), unfit("i:1", "why")]), expected);
}

#[test]
fn a_program_that_is_not_there_is_the_image_s_matter() {
    let rows = [
        ("exec: \"/bin/sh\": stat /bin/sh: no such file or directory", true),
        ("OCI: Executable file not found in $PATH", true),
        ("exec format error", true),
        ("network net not found", false),
        ("Range of CPUs is from 0.01 to 2.00", false),
    ];
    for (message, of_image) in rows {
        let error =
            Error::DockerResponseServerError { status_code: 400, message: message.to_owned() };
        let (found, why) = match started(&error) {
            Untried::Image(why) => (true, why),
            Untried::Engine(why) => (false, why),
        };
        assert_eq!((found, why.as_str()), (of_image, message));
        assert_eq!((status(&error), said(&error)), (Some(400), message.to_owned()));
    }
}

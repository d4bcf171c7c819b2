/*
Oci-push puts images into container registries: root trees as container
images, disks as KubeVirt container disks, podman machine images or plain
artifacts, for several architectures under one tag.

Usage:

	oci-push [flags] REPOSITORY < MANIFESTS > MANIFESTS
	oci-push [flags] REPOSITORY:TAG PATH...
	oci-push --attach FILE --type MEDIATYPE REPOSITORY:TAG

In a pipe it takes of each manifest the artifacts of one format and passes the
manifest on with what it published. An image that was not tested, or that
failed, is not published. In REPOSITORY {name}, {version}, {release} and {arch}
stand for the image's; without {name} it is added as the last part, so that
"oci-push ghcr.io/me/images" pushes to ghcr.io/me/images/NAME.

With paths, each is an OCI layout (a folder or a tar archive of one, as
img-convert makes it), a root tree (a folder or a tar archive, which may be
compressed), or a file that becomes an artifact. A line of JSON on standard
output tells what a manifest would.

	--tag LIST          tags, separated by commas, with the same placeholders;
	                    {version}-{release},{version} if not given
	--format FORMAT     which artifacts of the manifest to push: container,
	                    containerdisk, podman-machine (with its variants), or any other, which
	                    becomes a plain artifact. Without it the first of these three that is there
	--arch ARCH         the architecture of plain paths as RPM names it; this machine's if not given
	--type MEDIATYPE    the media type of a plain path or attachment; a path that has one becomes an artifact
	--attach FILE       attach a file, such as an SBOM, to what the reference names. In a
	                    pipe it is the format of an artifact, such as spdx, which is
	                    attached to each image
	--compression NAME  of a container's layer: gzip, which every engine reads, or zstd
	--annotation K=V    an annotation of the image's manifest; can be given several times
	--label K=V         a label of a container's configuration; can be given several times
	--mount REPOSITORY  another repository of the registry that may have the blobs already; can be given several times
	--jobs N            blobs on their way at a time (4)
	--allow-untested    publish images without tests, or with tests that failed
	--dry-run           print what would be done, and only read from the registry
	--quiet             print warnings and errors only
	--version           print the version

The login is the one that docker login, podman login or skopeo login left, with
their credential helpers (DOCKER_CONFIG, REGISTRY_AUTH_FILE); for ghcr.io also
GITHUB_TOKEN. Registries on this machine are spoken to without TLS.

A tag names an index with an entry for each architecture. Machines that push
different architectures at the same time do not lose each other's: every entry
also has a tag of its own, TAG-ARCH (TAG-ARCH-DISKTYPE for podman machine), of which the index is made again
until both agree. Blobs go first, then manifests, then tags, so that a tag
never names what is not complete. Blobs that are there are not sent again; an
upload goes on where a broken connection left it, if the registry can. A run that was
killed is simply run again.

A container image depends on its tree alone: files are sorted, no time is later than the
manifest's source date, SOURCE_DATE_EPOCH, or else the newest file, and
extended attributes are kept except SELinux's labels, which are the host's.

Examples:

	ks-render specs/fedora-cloud-base | img-build | img-convert --to qcow2,containerdisk | img-smoke \
	  | oci-push --attach spdx ghcr.io/me/images
	oci-push --arch aarch64 ghcr.io/me/base:43 root.tar.zst
	oci-push --attach sbom.spdx.json --type application/spdx+json ghcr.io/me/base:43
	oci-push localhost:5000/machine:43 disk.podman-machine.oci.tar

Exit codes: 0 done; 1 something could not be pushed; 2 wrong use.
*/
package main

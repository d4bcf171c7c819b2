/*
Mirror-sync publishes images as a tree of files that mirrors carry, and brings
a destination to that state: a folder, a server with rsync or SSH, or an S3 bucket.

Usage:

	mirror-sync [flags] DESTINATION < MANIFESTS > MANIFESTS
	mirror-sync --tree DIR [flags] DESTINATION

In a pipe it takes all manifests first, publishes their artifacts, all but the
raw disk, beside what is published there already, and passes the manifests
on. An image takes the place of the one of the same name, version and
architecture. One that was not tested, or that failed, is not published. The tree:

	releases/VERSION/Cloud/ARCH/images/               the artifacts, and
	  Cloud-VERSION-ARCH-CHECKSUM                     their digests, signed in the clear
	releases/VERSION/metadata/images.json             as productmd writes it
	streams/NAME-VERSION.json                         as Fedora CoreOS has it
	fullfiletimelist                                  every file's time and size

With --tree it mirrors a finished tree as it is.

DESTINATION is a folder, rsync://HOST/MODULE/PATH, ssh://[USER@]HOST[:PORT]/PATH,
[USER@]HOST:PATH, or s3://BUCKET/PREFIX.

	--tree DIR        mirror the tree in DIR
	--delete          with --tree: what DIR does not have goes from the destination as well
	--grace DURATION  how long files stay that nothing points at any more (168h)
	--format LIST     publish the artifacts of these formats, separated by commas
	--url URL         where the tree can be read; the stream files tell it. If not given, what
	                  was given before
	--checksum        compare data by content instead of size and time, which repairs what was damaged
	--check           change nothing; read the destination and say which files are missing, stale or damaged
	--unsigned        without a key, publish CHECKSUM files without the signature that they had
	--allow-untested  publish images without tests, or with tests that failed
	--dry-run         print what would be done, and only read from the destination
	--quiet           print warnings and errors only
	--version         print the version

Data is sent first, then the pointers to it: CHECKSUM files, images.json, stream files, the file list.
Files that no pointer names any more go last, when their grace
period is over. So whoever reads the tree, at any moment and after any failure,
finds all that is pointed to; a run that was killed is simply run again. What was
sent is read back where it is: by digest in a folder, by rsync's checksums,
by the bucket's SHA-256. Equal files are hard links, or copied by the bucket, and
what is there is not sent again. What is published is noted in .mirror-sync.json
there. In a folder a second run at the same time ends with an error; elsewhere each adds to what the others publish.

The CHECKSUM files are signed if the environment has a key:

	RESPIN_SIGNING_KEY         an armored OpenPGP secret key
	RESPIN_SIGNING_PASSPHRASE  that opens it, if it is locked

Without one, a file that was signed stays as it is, and an image that changes it is refused.

SSH, rsync and S3 log in as they usually do: with ssh's configuration and agent
(RSYNC_RSH names another program), RSYNC_PASSWORD, and the AWS SDKs' credentials, region and AWS_ENDPOINT_URL.

--check reads all files of a folder or bucket. Over rsync the other side reads those that
are here, too; of the others the size is compared. Without manifests on standard input, what is published there is checked
against its own notes.

Examples:

	ks-render specs/fedora-cloud-base | img-build | img-convert --to qcow2,raw.xz | img-smoke \
	  | mirror-sync --url https://dl.example.org/pub rsync://mirror.example.org/pub
	mirror-sync --check s3://images/pub < /dev/null
	mirror-sync --tree /srv/pub --delete --grace 48h backup.example.org:/srv/pub

Exit codes: 0 done; 1 something could not be published; 2 wrong use; 3 the destination is stale or damaged.
*/
package main

/*
Ami-register makes Amazon machine images of disks: it writes the disk into an
EBS snapshot, block by block and without a bucket or a role for an importer,
registers that, and copies the image to further regions.

Usage:

	ami-register [flags] < MANIFESTS > MANIFESTS
	ami-register [flags] --name NAME --allow-untested FILE
	ami-register [flags] --retire deprecate|delete FAMILY...

In a pipe it takes each manifest's disk (raw, else qcow2, VHD or a packed raw
disk), registers it in all regions, adds each region to the manifest's
publications, and to manifest.json, as soon as the image is there, and passes
the manifest on when all regions have it. An image whose tests are missing or
failed is not published.

It can be run again after any failure and goes on where it stopped: what was
uploaded is written down beside the disk, in DISK.REGION.ebs-upload, until the
snapshot is complete, and snapshots and images are found again by the disk's
SHA-256, which they are tagged with. The same disk is never registered twice in
a region.

What a flag does not say, the image's spec can, under publish: ami-register,
with the names in brackets.

	--region LIST         regions, separated by commas; the disk goes to the first,
	                      the others get copies [regions]. AWS_REGION if not given
	--name NAME           the image's name, a template [name] ({{.ID}})
	--description TEXT    its description, a template [description] ({{.Summary}})
	--boot-mode MODE      uefi-preferred, uefi or legacy-bios [boot_mode]; if not given
	                      uefi-preferred, and uefi for aarch64 and with --tpm
	--root-device NAME    the root volume's device [root_device] (/dev/sda1)
	--volume-size GIB     the root volume's size [volume_size]; the disk's if not given
	--tpm                 give machines a TPM 2.0 (NitroTPM) [tpm]
	--public              let everybody launch it [public]
	--account LIST        accounts that may launch it, twelve digits each [accounts]
	--organization LIST   ARNs of organisations or units that may [organizations]
	--tag KEY=VALUE       a tag for images and snapshots; may be repeated [tags]
	--deprecate WHEN      a date (2027-06-30), or days after it was made (180d) [deprecate]
	--ssm-parameter NAME  an SSM parameter that gets the image's id in each region, a
	                      template [parameter]
	--family NAME         what images are retired among, a template [family]
	                      ({{.Name}}-{{.Version}}.{{.Arch}})
	--allow-untested      publish what is not tested, too
	--arch ARCH           of a plain file, as RPM names it; this machine's if not given
	--workers N           blocks on their way at a time (64)
	--dry-run             print what would be done, and change nothing
	--quiet               print warnings and errors only
	--version             print the version

The templates are Go's, over .Name, .Version, .Release, .Arch, .Summary and .ID
(NAME-VERSION-RELEASE.ARCH) of the image. Images are for HVM, with ENA, a root volume of
type gp3 that goes with its machine, and instance metadata by IMDSv2 only.

Before the first byte goes out it asks whether the credentials are good, the
regions enabled and the name free, and for a public image whether the region
allows it and its quota has room.

With --retire it registers nothing. Old images of the families named are
deprecated, or deleted with their snapshots. It says what it would do, and does
it only with --apply. What ami-register did not make it does not touch.

	--retire ACTION       deprecate or delete
	--keep N              never the newest N of a family and region
	--older-than AGE      only those made that long ago, such as 90d
	--apply               do it

Credentials come from where AWS's own tools take them: the environment, ~/.aws,
single sign-on, the machine's role. On GitHub Actions, where the job has the
permission id-token: write and AWS_ROLE_ARN is set, it takes that role's, and
renews them for as long as it runs. AWS_ENDPOINT_URL names another place than AWS,
such as scripts/ec2-fake.

Examples:

	ks-render specs/fedora-cloud-base | img-build | img-smoke | ami-register --region us-east-1,eu-central-1
	ami-register --dry-run --public --deprecate 180d < out/fedora-cloud-base-43-1.x86_64/manifest.json
	ami-register --name try-1 --allow-untested disk.qcow2
	ami-register --region us-east-1 --retire delete --keep 5 --older-than 90d --apply fedora-cloud-base-43.x86_64

Exit codes: 0 done; 1 an image was not published in every region; 2 wrong use.
*/
package main

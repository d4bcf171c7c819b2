/*
Ec2-fake is a strict stand-in for AWS on this machine: EBS direct, EC2's images
and snapshots, SSM's parameters, STS. It is for trying ami-register out, and for
testing it; nothing it holds outlives it.

Usage:

	scripts/ec2-fake [--listen ADDRESS] [flags]

It prints the environment for the tools that shall use it, and then serves until
it is interrupted, when it tells how fast blocks were written:

	scripts/ec2-fake > fake.env &
	until [ -s fake.env ]; do sleep 1; done; . ./fake.env
	ami-register --region us-east-1,eu-central-1 < manifest.json
	curl $AWS_ENDPOINT_URL/volumes/us-east-1/snap-0123456789abcdef0 | cmp - disk.raw

	--listen ADDRESS   where to listen (127.0.0.1:0, a free port)
	--quotas           throttle at the quotas that AWS publishes
	--block-rate N     the quota on blocks written a second (1000, as AWS's)
	--hidden TIME      how long what is new cannot be seen (0s; AWS: up to 2m)
	--ready TIME       how long a completed snapshot and a new image stay pending (0s)
	--copying TIME     how long copies to other regions take (0s)
	--encrypted LIST   regions where snapshots are encrypted by default
	--block-public LIST  regions where images cannot be made public
	--faults SHARE     the share of requests that fail in one of many ways (0)
	--folder DIR       where the volumes' bytes are kept, in files without names
	--memory           keep them in memory instead, as much as the volumes are large
	--quiet            print warnings and errors only
	--version          print the version

Exit codes: 0 it was interrupted; 1 it could not serve; 2 wrong use.
*/
package main

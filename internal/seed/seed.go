// Package seed makes the disk that tells cloud-init in a guest who may log in:
// its NoCloud data source, two files on an ISO 9660 file system labelled CIDATA.
//
// See https://docs.cloud-init.io/en/latest/reference/datasources/nocloud.html.
package seed

import "fmt"

// A Seed is what a guest is told. None of it is secret.
type Seed struct {
	Instance string // the instance's id: cloud-init runs its first-boot modules when it changes
	Host     string // the host name
	Key      string // public key that the default user gets, as a line of authorized_keys
}

// Image returns the file system, which is the same for the same seed.
// It says nothing about the network: the guest is to use its default, DHCP.
func (s Seed) Image() []byte {
	return iso9660("CIDATA", []file{
		{"meta-data", fmt.Appendf(nil, "instance-id: %s\nlocal-hostname: %s\n", s.Instance, s.Host)},
		{"user-data", fmt.Appendf(nil, "#cloud-config\nssh_authorized_keys:\n  - %s\n", s.Key)},
	})
}

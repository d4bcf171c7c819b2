package smoke

import (
	"slices"
	"strings"
)

// distributions are the systems that we know the default user of, by what gives them away.
var distributions = []struct {
	name  string
	clues []string // in lower case: of the system's name, its kernel's or the image's
	users []string // whom cloud-init gives the key, the usual one first
}{
	{"fedora", []string{"fedora", ".fc"}, []string{"fedora"}},
	{"almalinux", []string{"almalinux"}, []string{"almalinux", "cloud-user"}},
	{"rocky", []string{"rocky"}, []string{"rocky", "cloud-user"}},
	{"centos", []string{"centos"}, []string{"cloud-user", "centos"}},
	{"amazon", []string{"amazon linux", ".amzn"}, []string{"ec2-user"}},
	{"rhel", []string{"red hat enterprise", "rhel", ".el"}, []string{"cloud-user", "ec2-user"}},
	{"ubuntu", []string{"ubuntu"}, []string{"ubuntu"}},
	{"debian", []string{"debian"}, []string{"debian"}},
	{"opensuse", []string{"opensuse", "suse linux"}, []string{"opensuse", "ec2-user"}},
	{"arch", []string{"arch linux"}, []string{"arch"}},
}

// distribution is the name of the first distribution that text gives away, empty if it is none.
func distribution(text string) string {
	text = strings.ToLower(text)
	for _, d := range distributions {
		for _, clue := range d.clues {
			if strings.Contains(text, clue) {
				return d.name
			}
		}
	}
	return ""
}

// users are the names to try a login with, the likeliest first.
func users(image *Image, f facts) []string {
	if image.Smoke.User != "" {
		return []string{image.Smoke.User}
	}
	var names []string
	add := func(more ...string) {
		for _, name := range more {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	if f.User != "" {
		add(f.User)
	}
	for _, system := range []string{f.System, distribution(image.Name)} {
		for _, d := range distributions {
			if d.name == system {
				add(d.users...)
			}
		}
	}
	if len(names) == 0 {
		add("fedora", "cloud-user", "debian")
	}
	return names
}

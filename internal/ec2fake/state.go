package ec2fake

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// State describes everything that is in the account, without ids and times, so
// that two accounts can be compared: an image is called by its name, and a
// snapshot by its images, or by its tags where it has none.
func (s *Server) State() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for _, name := range sortedKeys(s.regions) {
		r := s.regions[name]
		var lines []string
		add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
		users := map[string][]string{}
		for _, i := range r.images {
			users[i.snapshot] = append(users[i.snapshot], i.name)
			source, _, _ := strings.Cut(i.source, "/")
			day, _, _ := strings.Cut(i.deprecate, "T")
			add("image %q %s %q %s boot=%s tpm=%s imds=%s ena=%t root=%s %s %dGiB from=%q deprecated=%q %s shared=%s",
				i.name, i.state(time.Now()), i.description, i.architecture, i.boot, i.tpm, i.imds, i.ena, i.rootDevice, i.volumeType, i.volumeSize, source, day, tagText(i.tags),
				strings.Join(sortedKeys(i.permissions), ","))
		}
		for id, snap := range r.snapshots {
			slices.Sort(users[id])
			add("snapshot of %q %s %dGiB encrypted=%t sum=%s %s", users[id], snap.state(time.Now()), snap.volume.gib, snap.volume.encrypted, snap.volume.linear(), tagText(snap.tags))
		}
		for key, p := range r.parameters {
			value := p.value
			if img := r.images[value]; img != nil {
				value = img.name
			}
			add("parameter %s %s %s %q", key, p.kind, p.dataType, value)
		}
		slices.Sort(lines)
		for _, line := range lines {
			fmt.Fprintf(&b, "%s: %s\n", name, line)
		}
	}
	return b.String()
}

func tagText(tags map[string]string) string {
	var words []string
	for _, key := range sortedKeys(tags) {
		words = append(words, key+"="+tags[key])
	}
	return "{" + strings.Join(words, " ") + "}"
}

// Images returns the ids of a region's images, by name.
func (s *Server) Images(region string) map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := map[string]string{}
	for id, img := range s.regions[region].images {
		ids[img.name] = id
	}
	return ids
}

// Snapshots returns the ids of a region's snapshots, sorted.
func (s *Server) Snapshots(region string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return sortedKeys(s.regions[region].snapshots)
}
